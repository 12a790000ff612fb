"""Brings results from the client's threads into an event loop, many at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

ResultT = TypeVar("ResultT")


class Landing:
    """What `asyncio.wrap_future` does, but the loop is woken once for all that came meanwhile, not once for each.

    With thousands of answers a second, half of the time went into waking the loop.

    Args:
        loop: The loop that waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._landed: deque[Callable[[], None]] = deque()
        self._is_woken = False

    def bring(self, source: Future[ResultT]) -> asyncio.Future[ResultT]:
        """The future of the loop that ends as this one does; cancelling it cancels this one."""
        target: asyncio.Future[ResultT] = self._loop.create_future()
        source.add_done_callback(partial(self._land, target))
        target.add_done_callback(partial(_cancel, source))
        return target

    def _land(self, target: asyncio.Future[ResultT], source: Future[ResultT]) -> None:
        """Runs in a thread of the client. First the entry, then the flag: `_take_in` does it the other way round."""
        self._landed.append(partial(_copy, source, target))
        if self._is_woken:
            return
        self._is_woken = True
        try:
            self._loop.call_soon_threadsafe(self._take_in)
        except RuntimeError:
            self._landed.clear()  # the loop is closed, so nobody waits any more

    def _take_in(self) -> None:
        self._is_woken = False
        while self._landed:
            self._landed.popleft()()


def _copy(source: Future[ResultT], target: asyncio.Future[ResultT]) -> None:
    if target.done():
        return
    if source.cancelled():
        target.cancel()
        return
    error = source.exception()
    if error is None:
        target.set_result(source.result())
    else:
        target.set_exception(error)


def _cancel(source: Future[ResultT], target: asyncio.Future[ResultT]) -> None:
    if target.cancelled():
        source.cancel()
