"""A sheet of terminal cells on which lines meet, cross and end."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import get_args

from rich.cells import cell_len
from rich.text import Text

from hephaestus_stream.drawing.path import Progress

_WEAKEST_FIRST: tuple[Progress, ...] = get_args(Progress)

STYLES: Mapping[Progress, str] = {
    "open": "",
    "dead": "dim",
    "stopped": "magenta",
    "taken": "green",
    "failed": "bold red",
    "active": "bold yellow",
}


class Arm(IntFlag):
    """The directions in which a line leaves a cell."""

    UP = 1
    DOWN = 2
    LEFT = 4
    RIGHT = 8


_LINES = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"
"""A line's sign by the sum of its arms."""

_VERTICAL = Arm.UP | Arm.DOWN


class Canvas:
    """Cells by row and column; what is written later covers what was there."""

    def __init__(self) -> None:
        self._signs: dict[tuple[int, int], tuple[str, Progress]] = {}
        self._arms: dict[tuple[int, int], tuple[Arm, Progress]] = {}

    def write(self, row: int, column: int, words: str, *, progress: Progress) -> None:
        """Writes words; a wide character takes two cells."""
        for character in words:
            width = cell_len(character)
            if width == 0:  # an accent belongs to the letter before it
                before, _ = self._signs[row, column - 1]
                self._signs[row, column - 1] = (before + character, progress)
                continue
            self._signs[row, column] = (character, progress)
            if width > 1:
                self._signs[row, column + 1] = ("", progress)
            column += width

    def horizontal(self, row: int, start: int, stop: int, *, progress: Progress) -> None:
        """Draws a line between two columns."""
        for column in range(start, stop + 1):
            left = Arm.LEFT if column > start else Arm(0)
            right = Arm.RIGHT if column < stop else Arm(0)
            self._join(row, column, left | right, progress)

    def vertical(self, column: int, start: int, stop: int, *, progress: Progress, joins: int | None = None) -> None:
        """Draws a line between two rows; it joins the line of the row `joins` and passes over all others."""
        for row in range(start, stop + 1):
            up = Arm.UP if row > start else Arm(0)
            down = Arm.DOWN if row < stop else Arm(0)
            if row != joins:
                arms, _ = self._arms.get((row, column), (Arm(0), progress))
                if arms & ~_VERTICAL:
                    self._arms.pop((row, column))
            self._join(row, column, up | down, progress)

    def text(self) -> Text:
        """The sheet, its lines without blanks at their ends."""
        cells: dict[tuple[int, int], tuple[str, Progress]] = {}
        for place, (arms, progress) in self._arms.items():
            cells[place] = (_LINES[arms], progress)
        cells |= self._signs
        drawing = Text(no_wrap=True, overflow="ignore")
        for row in range(max((row for row, _ in cells), default=-1) + 1):
            columns = [column for place, column in cells if place == row]
            for column in range(max(columns, default=-1) + 1):
                sign, progress = cells.get((row, column), (" ", "open"))
                drawing.append(sign, STYLES[progress])
            drawing.append("\n")
        return drawing

    def _join(self, row: int, column: int, arms: Arm, progress: Progress) -> None:
        before, other = self._arms.get((row, column), (Arm(0), progress))
        stronger = progress if _WEAKEST_FIRST.index(progress) >= _WEAKEST_FIRST.index(other) else other
        self._arms[row, column] = (before | arms, stronger)
