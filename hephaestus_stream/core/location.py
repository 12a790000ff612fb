"""Where in the user's source a node or a transition was written."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from types import CodeType, FrameType

Positions = tuple[int | None, int | None, int | None, int | None]
"""What Python keeps of an instruction: its first and last line, and the columns, in bytes from 0."""

_NOWHERE: Positions = (None, None, None, None)


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A line of a source file; `str()` of it is as short as the module's name allows, as `workflows/order.py:31`.

    Attributes:
        file: The path of the file.
        line: The line, counted from 1.
        module: The full name of the module.
        column: Where in the line it begins, counted from 1 in bytes of UTF-8 as Python does; None where unknown.
        end_column: The first column behind it; None where it ends on another line.
    """

    file: str
    line: int
    module: str
    column: int | None = None
    end_column: int | None = None

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
    column, end_column = _columns(frame)
    return Location(
        file=frame.f_code.co_filename,
        line=frame.f_lineno,
        module=str(frame.f_globals.get("__name__", "")),
        column=column,
        end_column=end_column,
    )


def _columns(frame: FrameType) -> tuple[int | None, int | None]:
    """The columns of the call that a frame is at; of a call over several lines only the first."""
    instruction = frame.f_lasti // 2  # an instruction has two bytes
    positions = _positions(frame.f_code)
    line, end_line, column, end_column = positions[instruction] if 0 <= instruction < len(positions) else _NOWHERE
    if line != frame.f_lineno or column is None or end_column is None:
        return None, None
    return column + 1, end_column + 1 if end_line == line else None


@lru_cache(maxsize=8)  # a class body has one code and many nodes
def _positions(code: CodeType) -> tuple[Positions, ...]:
    return tuple(code.co_positions())
