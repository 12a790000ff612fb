"""How a rule reports."""

from __future__ import annotations

from hephaestus_stream.core.location import Location
from hephaestus_stream.errors import Problem


def problem(what: str, location: Location, remedy: str) -> Problem:
    """A problem at a line of the user's source."""
    return Problem(what=what, where=str(location), remedy=remedy, file=location.file, line=location.line)
