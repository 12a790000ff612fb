"""Puts the drawing of a workflow into the docstring of its class, and leaves every other byte of the source alone.

The places come from `ast`, and the text is cut there. A library that keeps the formatting of a whole tree, such as
LibCST, would be a dependency for one string.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hephaestus_stream.errors import DocstringError

BEGINNING: Final = "Graph, drawn by `hephaestus docs`::"
"""Stands before the drawing; the colons make a literal block of it where docstrings are rendered."""
END: Final = "End of the graph."

_INDENT: Final = "    "
_LITERAL: Final = re.compile(r"([rRuU]?)(\"\"\"|'''|\"|')(.*)\2", re.DOTALL)


def with_drawing(source: str, *, class_name: str, line: int, draw: Callable[[int], str], width: int) -> str:
    r"""The source with the drawing in the docstring of a class; the same text where it is there already.

    Args:
        source: A module, its line breaks as they are in the file.
        class_name: The class's qualified name.
        line: Where the class statement is; counts only where several classes have the name.
        draw: Makes a drawing of at most so many cells a line.
        width: How wide the lines of the source may become.

    Raises:
        DocstringError: There is no such class, or what stands there cannot be changed safely.
    """
    place = _find(ast.parse(source), class_name, line=line)
    text = _Source(source, place)
    drawing = draw(width - len(text.indent) - len(_INDENT)).splitlines()
    section = [BEGINNING, "", *(f"{_INDENT}{row}" if row else "" for row in drawing), "", END]
    docstring = _docstring_of(place)
    changed = text.inserted(section) if docstring is None else text.replaced(docstring, section)
    _require_same(source, changed, class_name=class_name, line=line, section=section)
    return changed


@dataclass(frozen=True)
class _Source:
    """A module's text, and the class in it that is meant."""

    text: str
    place: ast.ClassDef

    @cached_property
    def lines(self) -> Sequence[str]:
        """The lines with their ends, broken where Python breaks them."""
        return list(io.StringIO(self.text, newline=""))

    @property
    def indent(self) -> str:
        """What stands before each statement of the class."""
        first = self.place.body[0]
        before = self.lines[first.lineno - 1].encode()[: first.col_offset].decode()
        stands_alone = not before.strip()
        return before if stands_alone else before[: len(before) - len(before.lstrip())] + _INDENT

    @property
    def line_break(self) -> str:
        """The line break of the file, as its class statement has it."""
        line = self.lines[self.place.lineno - 1]
        return line[len(line.rstrip("\r\n")) :] or "\n"

    def replaced(self, docstring: ast.Constant, section: Sequence[str]) -> str:
        """The module with the section in a docstring that is there."""
        start = self._offset(docstring.lineno, docstring.col_offset)
        end = self._offset(docstring.end_lineno or 0, docstring.end_col_offset or 0)
        prefix, quote, body = self._parts(self.text[start:end])
        triple = quote if len(quote) > 1 else 3 * quote
        rows = [self._escaped(row, quote=triple, is_raw=prefix in {"r", "R"}) for row in section]
        body = self._with_section(body or f"The workflow {self.place.name}.", rows)
        return f"{self.text[:start]}{prefix}{triple}{body}{triple}{self.text[end:]}"

    def inserted(self, section: Sequence[str]) -> str:
        """The module with a docstring where the class has none."""
        row = self._end_of_header()
        rows = [self._escaped(row, quote='"""', is_raw=False) for row in section]
        body = self._with_section(f"The workflow {self.place.name}.", rows)
        docstring = f'{self.indent}"""{body}"""{self.line_break}'
        gap = self.line_break if self.lines[row].strip() else ""
        return "".join([*self.lines[:row], docstring, gap, *self.lines[row:]])

    def _with_section(self, body: str, section: Sequence[str]) -> str:
        lines = list(io.StringIO(body, newline=""))
        begins = [index for index, line in enumerate(lines) if line.strip() == BEGINNING]
        ends = [index for index, line in enumerate(lines) if line.strip() == END]
        if not begins and not ends:
            said = body.rstrip()
            gap = self.line_break * (3 if said.endswith("\\") else 2)  # a backslash takes one away
            return f"{said}{gap}{self._indented(section, self.indent)}{self.line_break}{self.indent}"
        if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
            raise DocstringError(
                f"the drawing in the docstring of {self.place.name} has no clear limits: exactly one line "
                f"'{BEGINNING}' and below it one line '{END}' belong there; delete what is too much, and try again"
            )
        first, last = lines[begins[0]], lines[ends[0]]
        own = first[: len(first) - len(first.lstrip())]
        drawing = self._indented(section, own or self.indent)
        # A docstring that begins with the section: its first line stands behind the quotes.
        drawing = drawing if begins[0] else own + drawing.removeprefix(own or self.indent)
        return "".join([*lines[: begins[0]], drawing, last[len(last.rstrip("\r\n")) :], *lines[ends[0] + 1 :]])

    def _indented(self, section: Sequence[str], indent: str) -> str:
        return self.line_break.join(f"{indent}{row}" if row else "" for row in section)

    def _parts(self, literal: str) -> tuple[str, str, str]:
        """The prefix, the quotes, and what is between them."""
        tokens = tokenize.generate_tokens(io.StringIO(literal).readline)
        strings = [token for token in tokens if token.type == tokenize.STRING]
        parts = _LITERAL.fullmatch(literal)
        if len(strings) != 1 or parts is None:
            raise DocstringError(
                f"the docstring of {self.place.name} is put together of several; make one string of it"
            )
        return parts[1], parts[2], parts[3]

    def _escaped(self, row: str, *, quote: str, is_raw: bool) -> str:
        if not is_raw:
            return row.replace("\\", "\\\\").replace(quote, "".join(f"\\{sign}" for sign in quote))
        if quote in row:
            raise DocstringError(
                f"the docstring of {self.place.name} is a raw string, and the drawing contains {quote}; take the r away"
            )
        return row

    def _end_of_header(self) -> int:
        """How many lines there are up to the end of the class statement, which may be several lines long."""
        before = self.place.lineno - 1
        tokens = tokenize.generate_tokens(iter(self.lines[before:]).__next__)
        depth = 0
        for token in tokens:
            depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
            if token.type == tokenize.OP and token.string == ":" and not depth:
                break
        for token in tokens:
            if token.type == tokenize.NEWLINE:
                return before + token.end[0]
            if token.type != tokenize.COMMENT:
                break
        raise DocstringError(f"the body of {self.place.name} stands behind the colon; give it lines of its own")

    def _offset(self, line: int, column: int) -> int:
        before, row = self.lines[: line - 1], self.lines[line - 1]
        return sum(map(len, before)) + len(row.encode()[:column].decode())


def _find(module: ast.Module, class_name: str, *, line: int) -> ast.ClassDef:
    found = [place for name, place in _classes(module, prefix="") if name == class_name]
    if len(found) > 1:
        found = [place for place in found if place.lineno == line]
    if len(found) != 1:
        raise DocstringError(
            f"the module has no class statement of {class_name}: a class that is made in a function, or by one, has no "
            "docstring in the source; draw it with `hephaestus graph`"
        )
    return found[0]


def _classes(parent: ast.AST, *, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    """The classes by their qualified names, those in functions left out."""
    for child in ast.iter_child_nodes(parent):
        if isinstance(child, ast.ClassDef):
            yield f"{prefix}{child.name}", child
            yield from _classes(child, prefix=f"{prefix}{child.name}.")
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _classes(child, prefix=prefix)


def _docstring_of(place: ast.ClassDef) -> ast.Constant | None:
    match place.body[0]:
        case ast.Expr(value=ast.Constant(value=str()) as docstring):
            return docstring
        case _:
            return None


def _require_same(before: str, after: str, *, class_name: str, line: int, section: Sequence[str]) -> None:
    """Returns where nothing but the docstring differs, and where the docstring says what it should."""
    try:
        compile(after, class_name, "exec", dont_inherit=True)
        old, new = ast.parse(before), ast.parse(after)
    except (SyntaxError, ValueError) as error:
        raise DocstringError(f"with the drawing, the module of {class_name} would not compile: {error}") from None
    place = _find(new, class_name, line=line)
    said = [row.strip() for row in (ast.get_docstring(place) or "").split("\n")]
    wanted = [row.strip() for row in section]
    is_there = any(said[index : index + len(wanted)] == wanted for index in range(len(said)))
    for each in (_find(old, class_name, line=line), place):
        each.body = each.body[_docstring_of(each) is not None :]
    if not is_there or ast.dump(old) != ast.dump(new):
        raise DocstringError(f"the drawing would change more than the docstring of {class_name}; nothing was written")
