from __future__ import annotations

import ast
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.drawing import plain
from hephaestus_stream.drawing.docstring import BEGINNING, END, with_drawing
from hephaestus_stream.errors import DocstringError
from tests.drawing.drawn_graphs import drawn

CHAIN = "┌───┐\n│ a │\n└───┘\n"


def redrawn(source: str, *, drawing: str = CHAIN, class_name: str = "Flow", line: int = 0) -> str:
    return with_drawing(source, class_name=class_name, line=line, draw=lambda _: drawing, width=88)


def docstring(source: str) -> str:
    found = [place for place in ast.walk(ast.parse(source)) if isinstance(place, ast.ClassDef) and place.name == "Flow"]
    return ast.get_docstring(found[-1]) or ""


def stripped(text: str) -> list[str]:
    return [row.strip() for row in text.split("\n")]


def section(drawing: str = CHAIN) -> str:
    rows = "".join(f"    {row}\n" for row in drawing.splitlines())
    return f"{BEGINNING}\n\n{rows}\n{END}"


@pytest.mark.parity(24)
def test_the_drawing_comes_behind_what_the_docstring_says() -> None:
    source = dedent('''\
        import shop


        class Flow(Workflow[Order]):  # the only one
            """Orders things."""

            work = Work()   # badly formatted
        ''')

    assert redrawn(source) == dedent('''\
        import shop


        class Flow(Workflow[Order]):  # the only one
            """Orders things.

            Graph, drawn by `hephaestus docs`::

                ┌───┐
                │ a │
                └───┘

            End of the graph.
            """

            work = Work()   # badly formatted
        ''')


def test_a_class_without_a_docstring_gets_one() -> None:
    source = dedent("""\
        @decorated
        class Flow(
            Workflow[Order],
            key=prefix[1:],  # a colon that ends nothing
        ):  # here it ends
            # about the work
            work = Work()
        """)

    changed = redrawn(source)

    assert changed.splitlines()[4:8] == ["):  # here it ends", '    """The workflow Flow.', "", f"    {BEGINNING}"]
    assert changed.splitlines()[-5:] == [
        f"    {END}",
        '    """',
        "",
        "    # about the work",
        "    work = Work()",
    ]
    assert docstring(changed) == f"The workflow Flow.\n\n{section()}"


def test_one_blank_line_stands_below_a_new_docstring() -> None:
    for source in (SOURCES["none"], SOURCES["none, and a blank line"]):
        assert redrawn(source).endswith(f'    {END}\n    """\n\n    a = 1\n')


SOURCES = {
    "none": "class Flow(W):\n    a = 1\n",
    "none, and a blank line": "class Flow(W):\n\n    a = 1\n",
    "empty": 'class Flow(W):\n    """"""\n    a = 1\n',
    "several lines": 'class Flow(W):\n    """One.\n\n    Two.\n    """\n    a = 1\n',
    "closed behind the text": 'class Flow(W):\n    """One.\n\n    Two."""\n    a = 1\n',
    "single quotes": "class Flow(W):\n    'One \"quoted\" and \\' more.'\n    a = 1\n",
    "double quotes": 'class Flow(W):\n    "One \'quoted\' and \\" more."\n    a = 1\n',
    "triple single quotes": "class Flow(W):\n    '''One \"\"\" more.'''\n    a = 1\n",
    "raw": 'class Flow(W):\n    r"""One \\d."""\n    a = 1\n',
    "raw in single quotes": 'class Flow(W):\n    R\'One \\d """.\'\n    a = 1\n',
    "escapes": 'class Flow(W):\n    """One \\n\\t \\u2500 \\\\."""\n    a = 1\n',
    "unicode before it": "x = 'ä猫'; y = 1\nclass Flow(W):\n    'Größe: 猫.'; a = 'ö'\n    b = 1\n",
    "tabs": 'class Flow(W):\n\t"""One."""\n\ta = 1\n',
    "line breaks of Windows": 'class Flow(W):\r\n    """One."""\r\n    a = 1\r\n',
    "no line break at the end": "class Flow(W):\n    a = 1",
    "brackets": 'class Flow(W):\n    ("One.")\n    a = 1\n',
    "form feed": 'b = 1\n\x0cclass Flow(W):\n    """One.\x0c Two."""\n    a = 1\n',
    "a condition": 'if True:\n    class Flow(W):\n        """One."""\n        a = 1\n',
    "the body is the docstring": 'class Flow(W):\n    """One."""\n',
    "a continued line": 'class Flow(W):\n    """One \\\n    two.\\\n    """\n    a = 1\n',
}
DRAWINGS = {
    "boxes": CHAIN,
    "backslashes": "a\\nb \\\\ \\\n\\\n",
    "an empty row": "a\n\nb\n",
}


@pytest.mark.parametrize("drawing", DRAWINGS.values(), ids=DRAWINGS.keys())
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_whatever_form_the_docstring_has_it_says_the_same_and_then_the_drawing(source: str, drawing: str) -> None:
    before = docstring(source).rstrip() or "The workflow Flow."

    changed = redrawn(source, drawing=drawing)

    assert stripped(docstring(changed)) == stripped(f"{before}\n\n{section(drawing)}")
    assert redrawn(changed, drawing=drawing) == changed
    assert ("\r\n" in source) == ("\r\n" in changed)
    assert "\n" not in changed.replace("\r\n", "") or "\r\n" not in source


@pytest.mark.parity(24)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_another_drawing_takes_the_place_of_the_old_one(source: str) -> None:
    changed = redrawn(source, drawing="other\n")

    assert redrawn(changed) == redrawn(source)


def test_what_stands_around_the_drawing_stays_as_it_is() -> None:
    before, after = 'class Flow(W):\n    """One.\n\n', '\n\n    Two.   \n\n    """\n    a = 1 ; b = 2\n'
    rows = "".join(f"          {row}\n" for row in CHAIN.splitlines())

    changed = redrawn(f"{before}      {BEGINNING}\n\n  old\n      {END}  {after}")

    assert changed == f"{before}      {BEGINNING}\n\n{rows}\n      {END}{after}"


def test_a_docstring_may_begin_with_the_drawing() -> None:
    source = f'class Flow(W):\n    """{BEGINNING}\n    {END}"""\n    a = 1\n'

    assert docstring(redrawn(source)) == section()
    assert redrawn(redrawn(source)) == redrawn(source)


@given(st.text())
def test_a_label_of_any_kind_cannot_end_the_docstring(label: str) -> None:
    drawing = plain(drawn(("pick", "go", label, "end")))

    changed = redrawn(SOURCES["several lines"], drawing=drawing)

    assert stripped(docstring(changed))[-len(drawing.splitlines()) - 2 : -2] == stripped(drawing.rstrip("\n"))


def test_quotes_in_a_drawing_are_escaped() -> None:
    assert docstring(redrawn(SOURCES["none"], drawing='"""')) == "The workflow Flow.\n\n" + section('"""')


def test_the_drawing_is_asked_to_leave_room_for_its_indentation() -> None:
    fork = drawn(
        "pick apple eat_it_as_it_is", "pick pear cook_it_first", "eat_it_as_it_is go end", "cook_it_first go end"
    )
    wide = max(map(len, plain(fork).splitlines()))

    def draw(width: int) -> str:
        return plain(fork, width=width)

    fits = with_drawing(SOURCES["none"], class_name="Flow", line=1, draw=draw, width=wide + 8)
    tight = with_drawing(SOURCES["none"], class_name="Flow", line=1, draw=draw, width=wide + 7)

    assert max(map(len, fits.splitlines())) == wide + 8
    assert "▶ pick\n" in tight
    assert "┌" not in tight


def test_a_class_in_a_class_and_one_of_several_of_a_name_are_found() -> None:
    nested = "class Shop:\n    class Flow(W):\n        a = 1\n"
    twice = "if x:\n    class Flow(W):\n        a = 1\nelse:\n    class Flow(W):\n        a = 2\n"

    assert docstring(redrawn(nested, class_name="Shop.Flow"))
    assert redrawn(twice, line=5).startswith(
        'if x:\n    class Flow(W):\n        a = 1\nelse:\n    class Flow(W):\n        """'
    )


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("Flow = make()\n", "no class statement of Flow"),
        ("def make():\n    class Flow(W):\n        a = 1\n", "no class statement of Flow"),
        ("class Flow(W): a = 1\n", "give it lines of its own"),
        ("class Flow(W):\n    'One ' 'two.'\n    a = 1\n", "make one string of it"),
        (f'class Flow(W):\n    """One.\n\n    {BEGINNING}\n    """\n', "no clear limits"),
        (f'class Flow(W):\n    """One.\n\n    {END}\n    {BEGINNING}\n    """\n', "no clear limits"),
        (f'class Flow(W):\n    """{BEGINNING}\n    {END}\n    {BEGINNING}\n    {END}\n    """\n', "no clear limits"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused_with_the_way_out(source: str, hint: str) -> None:
    with pytest.raises(DocstringError, match=hint):
        redrawn(source)


def test_a_raw_docstring_cannot_take_its_own_quotes() -> None:
    with pytest.raises(DocstringError, match="take the r away"):
        redrawn(SOURCES["raw"], drawing='a """ b')
