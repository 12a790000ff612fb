"""Room for so many steps, shared between the kinds of steps."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hephaestus_stream.cycle.attempt import Kind

_SPARE: Final = 10


class Room:
    """So many of any kind, and a tenth on top that all kinds share; with both it is full, whatever comes.

    Of the tenth a kind may have one more as long as it has fewer, in all, than are free. So one kind never takes all
    of it: what is full for one that holds much has room for others that hold little.

    Args:
        count: How many of any kind.
        spare: How many on top; a tenth, and one at least, unless it is given.
    """

    def __init__(self, count: int, *, spare: int | None = None) -> None:
        self._count = count
        self._most = count + (max(1, count // _SPARE) if spare is None else spare)
        self._taken = 0
        self._taken_of: Counter[Kind] = Counter()

    @property
    def is_full(self) -> bool:
        """Whether no kind has room."""
        return self._taken >= self._most

    def is_for(self, kind: Kind) -> bool:
        """Whether there is room for one more of a kind."""
        return self._taken < self._count or self._taken_of[kind] < self._most - self._taken

    def take(self, kind: Kind) -> None:
        """One more is there."""
        self._taken += 1
        self._taken_of[kind] += 1

    def give_back(self, kind: Kind) -> None:
        """One has left."""
        self._taken -= 1
        self._taken_of[kind] -= 1
        if not self._taken_of[kind]:
            del self._taken_of[kind]
