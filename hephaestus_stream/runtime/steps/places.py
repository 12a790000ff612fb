"""Places for the steps that are executed at once, shared between the kinds of steps."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Final

from hephaestus_stream.cycle.attempt import Kind

_SHARE: Final = 10


class Places:
    """So many steps at once; what takes minutes does not hold up what takes a moment.

    When all places are taken, a kind of step that has less than a tenth of them gets one all the same: the number is
    exceeded by a tenth for each kind of step, at most. Whoever waits gets a place in turn, first by kind.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._own = max(1, count // _SHARE)
        self._total = 0
        self._taken: Counter[Kind] = Counter()
        self._waiting: dict[Kind, deque[asyncio.Future[None]]] = {}

    async def acquire(self, kind: Kind) -> None:
        """Waits for a place."""
        if kind not in self._waiting and self._is_free_for(kind):
            self._take(kind)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(kind, deque()).append(turn)
        # Those before it may have been cancelled.
        self._pass_on()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had its turn just before
                self.release(kind)
            raise

    def release(self, kind: Kind) -> None:
        """Gives a place back."""
        self._total -= 1
        self._taken[kind] -= 1
        if not self._taken[kind]:
            del self._taken[kind]
        if self._waiting:
            self._pass_on()

    def _is_free_for(self, kind: Kind) -> bool:
        return self._total < self._count or self._taken[kind] < self._own

    def _take(self, kind: Kind) -> None:
        self._total += 1
        self._taken[kind] += 1

    def _pass_on(self) -> None:
        """Gives free places to those who wait, to one of each kind in turn."""
        for kind in tuple(self._waiting):
            waiting = self._waiting.pop(kind)
            while waiting and self._is_free_for(kind):
                turn = waiting.popleft()
                if not turn.done():
                    self._take(kind)
                    turn.set_result(None)
                    break
            if waiting:
                # Behind the other kinds.
                self._waiting[kind] = waiting
