"""`hephaestus check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.core.rule import Rule
from tests.cli.command_line import CommandLine

MISTAKES = """\
from hephaestus_stream import Done, Event, Instance, Outcome, Step, Workflow


class Weigh(Step[object]):
    light = Event()
    heavy = Event()

    async def execute(self, instance, config, context):
        return self.light()


class ParcelFlow(Workflow[object], key="parcel"):
    weigh = Weigh()
    lonely = Weigh()
    done = Done()

    start = weigh
    transitions = (weigh.light.to(done), lonely.light.to(done), lonely.heavy.to(done))


class LetterFlow(Workflow[object]):
    weigh = Weigh()
    again = Weigh()
    done = Done()

    start = weigh
    transitions = (weigh.light.to(again), weigh.heavy.to(done), again.light.to(weigh), again.heavy.to(done))
"""


def test_a_sound_module_has_no_problems(hephaestus: CommandLine) -> None:
    said = hephaestus("check", "flows")
    assert (said.code, said.err) == (0, "")
    assert "no problems in GreetingFlow 3" in said.out


def test_several_modules_are_checked_run_and_refused_together(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    twice = hephaestus("check", "flows", "flows")
    assert (twice.code, "no problems in GreetingFlow 3" in twice.out) == (0, True)
    assert hephaestus("check", "flows", "post").out.count(": error: ") == 4
    for command, code in (("worker", ExitCode.NO_RESTART), ("dev", ExitCode.FAILED), ("check", ExitCode.FAILED)):
        said = hephaestus(command, "flows", "shop")
        assert said.code == code
        assert "there is no module 'shop'" in said.err


@pytest.mark.parity(1)
def test_four_mistakes_in_two_classes_are_told_at_once_with_their_lines(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post")
    assert said.code == 1
    assert [line.split(": ", 2)[0] for line in said.out.splitlines() if ": error: " in line] == [
        "post.py:13:13",
        "post.py:14:14",
        "post.py:21:1",
        "post.py:27:65",
    ]
    assert said.out.splitlines()[-1] == "4 problems"


def test_a_problem_is_told_as_a_compiler_tells_it(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post")
    assert said.out.startswith(
        """\
post.py:13:13: error: weigh.heavy leads nowhere  [unwired-event]
   |
13 |     weigh = Weigh()
   |             ^^^^^^^
   = help: Weigh declares the event 'heavy'; add weigh.heavy.to(...) to transitions
"""
    )


def test_a_problem_of_two_places_shows_both(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post")
    row = "    transitions = (weigh.light.to(again), weigh.heavy.to(done), again.light.to(weigh), again.heavy.to(done))"
    arrow = row.index("weigh.light")
    back = row.index("again.light")
    assert (
        f"""\
post.py:27:{back + 1}: error: weigh -> again -> weigh is a cycle  [cycle]
   |
27 | {row}
   | {" " * back}^^^^^^^^^^^^^^^^^^^^^
   = help: a run passes each node once; retry within the step, or start another run
post.py:27:{arrow + 1}: note: weigh leads to again
   |
27 | {row}
   | {" " * arrow}^^^^^^^^^^^^^^^^^^^^^
"""
        in said.out
    )


def test_a_whole_line_is_underlined_where_the_statement_goes_on(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post")
    assert f"21 | class LetterFlow(Workflow[object]):\n   | {'^' * 35}\n" in said.out


def test_the_caret_stands_below_its_word_behind_wide_letters(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES.replace("lonely", "\N{CJK UNIFIED IDEOGRAPH-6F22}"))
    said = hephaestus("check", "post", "--output", "json")
    problem = next(each for each in json.loads(said.out)["problems"] if each["rule"] == "unreachable-node")
    assert (problem["column"], problem["end_column"]) == (9, 16)
    assert f"   | {' ' * 9}^^^^^^^\n" in hephaestus("check", "post").out


def test_pages_of_github_get_a_mark_at_each_line(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post", "--output", "github")
    assert said.code == 1
    assert said.out.splitlines()[0] == (
        "::error file=post.py,line=13,col=13,endColumn=20,title=unwired-event::"
        "weigh.heavy leads nowhere: Weigh declares the event 'heavy'; add weigh.heavy.to(...) to transitions"
    )
    assert len(said.out.splitlines()) == 4


def test_a_mark_of_github_stays_one_line(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text("raise ValueError('100%\\nof it')\n")
    said = hephaestus("check", "post", "--output", "github")
    [line] = said.out.splitlines()
    assert "title=failed-import::ValueError: 100%25%0Aof it: " in line


def test_a_misspelt_event_is_told_with_the_one_that_was_meant(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES.replace("lonely.light.to", "lonely.ligth.to"))
    said = hephaestus("check", "post")
    assert "post.py:18:42: error: Weigh has no event 'ligth'  [unknown-event]" in said.out
    assert "   = help: did you mean 'light'?" in said.out


def test_a_wrong_step_is_told_with_its_line_and_its_way_out(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES + "\n\nclass Odd(Step[object]):\n    timeout = 20\n")
    said = hephaestus("check", "post")
    assert "post.py:30:1: error: Odd.timeout is 20, which is no duration  [bad-timeout]" in said.out
    assert "   = help: give a timedelta above zero" in said.out
    assert "   = note: the import of post ended here: mend it and check again" in said.out
    assert said.out.splitlines()[-1] == "5 problems"


def test_a_program_gets_the_problems_as_json(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post", "--output", "json")
    assert said.code == 1
    problems = json.loads(said.out)["problems"]
    assert [problem["line"] for problem in problems] == [13, 14, 21, 27]
    assert {Path(problem["file"]).name for problem in problems} == {"post.py"}
    assert all(problem["remedy"] for problem in problems)
    assert [problem["rule"] for problem in problems] == ["unwired-event", "unreachable-node", "missing-key", "cycle"]
    assert [problem["column"] for problem in problems] == [13, 14, 1, 65]
    [note] = problems[-1]["notes"]
    assert (note["what"], note["line"], note["column"]) == ("weigh leads to again", 27, 20)


def test_a_module_that_fails_does_not_hide_the_problems_of_the_others(hephaestus: CommandLine) -> None:
    package = hephaestus.folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a_typo.py").write_text("x = 1\ny = zz\n")
    (package / "b_syntax.py").write_text("def f(:\n")
    (package / "c_post.py").write_text(MISTAKES)
    said = hephaestus("check", "shop")
    assert said.code == 1
    assert f"shop/a_typo.py:2:5: error: NameError: name 'zz' is not defined  [{Rule.FAILED_IMPORT}]\n" in said.out
    assert "shop/b_syntax.py:1:7: error: SyntaxError" in said.out
    assert "2 | y = zz\n  |     ^^\n" in said.out
    assert said.out.splitlines()[-1] == "6 problems"


@pytest.mark.parity(19)
def test_two_classes_of_one_name_and_version_are_a_problem(hephaestus: CommandLine) -> None:
    flows = (hephaestus.folder / "flows.py").read_text()
    package = hephaestus.folder / "twins"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text(flows)
    (package / "two.py").write_text(flows)
    said = hephaestus("check", "twins")
    assert said.code == 1
    assert "twins/two.py:23:1: error: " in said.out
    assert f"version 3 of GreetingFlow  [{Rule.DUPLICATE_WORKFLOW}]" in said.out
    assert "twins/one.py:23:1: note: GreetingFlow is the other" in said.out


def test_a_module_that_is_not_there_names_the_nearest(hephaestus: CommandLine) -> None:
    said = hephaestus("check", "flow")
    assert said.code == 1
    assert "there is no module 'flow'" in said.err
    assert "did you mean flows?" in said.err


def test_the_workflows_of_the_project_have_no_problems() -> None:
    said = CommandLine(Path(__file__).parents[2])("check", "workflows")
    assert said.code == 0
    assert "OrderFlow" in said.out
