"""Where in the user's source a node or a transition was written."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A line of a source file; `str()` of it is as short as the module's name allows, as `workflows/order.py:31`."""

    file: str
    line: int
    module: str

    def __str__(self) -> str:
        path = PurePath(self.file)
        depth = len(self.module.split(".")) + (path.stem == "__init__")
        return f"{PurePath(*path.parts[-depth:])}:{self.line}"


def caller(*, outside: frozenset[str]) -> Location:
    """The nearest calling line whose module is none of `outside`."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in outside | {__name__}:
        frame = frame.f_back
    if frame is None:
        return Location(file="<unknown>", line=0, module="")
    return Location(file=frame.f_code.co_filename, line=frame.f_lineno, module=str(frame.f_globals.get("__name__", "")))
