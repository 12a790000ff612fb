"""How a rule reports."""

from __future__ import annotations

from hephaestus_stream.core.location import Location
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import Note, Problem


def problem(rule: Rule, location: Location, *, what: str, remedy: str, notes: tuple[Note, ...] = ()) -> Problem:
    """A problem at a place of the user's source."""
    return Problem(
        rule=rule.value,
        what=what,
        where=str(location),
        remedy=remedy,
        file=location.file,
        line=location.line,
        column=location.column,
        end_column=location.end_column,
        notes=notes,
    )


def note(what: str, location: Location) -> Note:
    """Another place that a problem has to do with."""
    return Note(
        what=what, file=location.file, line=location.line, column=location.column, end_column=location.end_column
    )
