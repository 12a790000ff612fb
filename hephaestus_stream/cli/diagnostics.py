"""Tells of problems as a compiler does: the place, what is wrong, the line of source, and the way out."""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from hephaestus_stream.cli.user_code import short_path
from hephaestus_stream.errors import Note, Problem

_STYLES: Final = {"error": "bold red", "note": "bold blue"}


def as_text(problem: Problem) -> Text:
    """A problem for people: where and what, its source, the way out, and the other places that it has to do with."""
    text = Text()
    text.append(_headline(problem, "error")).append(f"  [{problem.rule}]\n", "magenta")
    text.append(_excerpt(problem, "error"))
    text.append(f"{_margin(problem)} = ", "blue").append("help: ", "bold cyan").append(f"{problem.remedy}\n")
    for note in problem.notes:
        if (note.file, note.line) == (problem.file, problem.line) and note.column in {None, problem.column}:
            text.append(f"{_margin(problem)} = ", "blue").append("note: ", _STYLES["note"]).append(f"{note.what}\n")
        else:
            text.append(_headline(note, "note")).append("\n").append(_excerpt(note, "note"))
    return text


def as_workflow_command(problem: Problem) -> str:
    """A problem as GitHub Actions reads it: it marks the line in the pull request."""
    column, end_column = _columns(problem)
    places = {"file": short_path(problem.file), "line": problem.line, "col": column, "endColumn": end_column}
    properties = {**places, "title": problem.rule} if problem.file else {"title": problem.rule}
    said = ",".join(f"{name}={_escaped_property(value)}" for name, value in properties.items() if value is not None)
    return f"::error {said}::{_escaped(f'{problem.what}: {problem.remedy}')}"


def as_document(problem: Problem) -> Mapping[str, object]:
    """A problem for programs, with columns in characters."""
    return {**_with_columns(problem), "notes": [_with_columns(note) for note in problem.notes]}


def _with_columns(place: Problem | Note) -> dict[str, object]:
    column, end_column = _columns(place)
    return {**asdict(place), "column": column, "end_column": end_column}


def _headline(place: Problem | Note, kind: str) -> Text:
    column, _ = _columns(place)
    where = ":".join(str(part) for part in (short_path(place.file), place.line, column) if part is not None)
    # What broke outside of any file that the user wrote has no place.
    beginning = Text(where, "bold").append(": ", "default") if place.file else Text()
    return beginning.append(f"{kind}: ", _STYLES[kind]).append(place.what)


def _excerpt(place: Problem | Note, kind: str) -> Text:
    """The line of source with its part underlined; nothing where the source cannot be read."""
    source = _source(place)
    if not source.strip():
        return Text()
    column, end_column = _columns(place)
    first = len(source) - len(source.lstrip()) if column is None else column - 1
    marked = source[first : None if end_column is None else end_column - 1]
    # A tab stays a tab, so that the caret stands below its word wherever the tab leads.
    indent = "".join(character if character == "\t" else " " * cell_len(character) for character in source[:first])
    margin = _margin(place)
    text = Text().append(f"{margin} |\n{place.line} | ", "blue").append(f"{source}\n")
    return text.append(f"{margin} | ", "blue").append(f"{indent}{'^' * max(cell_len(marked), 1)}\n", _STYLES[kind])


def _margin(place: Problem | Note) -> str:
    return " " * len(str(place.line))


def _source(place: Problem | Note) -> str:
    return linecache.getline(place.file, place.line).rstrip()


def _columns(place: Problem | Note) -> Sequence[int | None]:
    """The columns counted in characters, for Python counts bytes."""
    line = _source(place).encode()
    return [
        None if column is None else len(line[: column - 1].decode(errors="ignore")) + 1
        for column in (place.column, place.end_column)
    ]


def _escaped(value: object) -> str:
    return str(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(value: object) -> str:
    return _escaped(value).replace(":", "%3A").replace(",", "%2C")
