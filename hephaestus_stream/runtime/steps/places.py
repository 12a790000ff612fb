"""Places for the steps that are executed at once, given to the kinds of steps in turn."""

from __future__ import annotations

import asyncio
from collections import deque

from hephaestus_stream.cycle.attempt import Kind
from hephaestus_stream.runtime.steps.room import Room


class Places:
    """Whoever finds no room waits for its turn, first by kind: what takes minutes does not hold up what takes a moment.

    Args:
        room: How many at once.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._waiting: dict[Kind, deque[asyncio.Future[None]]] = {}

    async def acquire(self, kind: Kind) -> None:
        """Waits for a place."""
        if kind not in self._waiting and self._room.is_for(kind):
            self._room.take(kind)
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
        self._room.give_back(kind)
        if self._waiting:
            self._pass_on()

    def _pass_on(self) -> None:
        """Gives free places to those who wait, one to each kind that there is room for."""
        for kind in tuple(self._waiting):
            if self._room.is_full:
                return
            if self._room.is_for(kind):
                self._serve(kind)

    def _serve(self, kind: Kind) -> None:
        """Gives a place to the first of a kind that waits still; the others wait behind the other kinds."""
        waiting = self._waiting.pop(kind)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                self._room.take(kind)
                turn.set_result(None)
                break
        if waiting:
            self._waiting[kind] = waiting
