"""Blocking steps in threads: one that hangs keeps neither its worker's exit, nor its timeout, nor its place."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from itertools import count as counting
from queue import SimpleQueue
from typing import Final

from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd
from hephaestus_stream.cycle.execute import execute_blocking
from hephaestus_stream.runtime.steps.execution import Execution
from hephaestus_stream.runtime.steps.forked import original_only
from hephaestus_stream.runtime.steps.places import Places
from hephaestus_stream.runtime.steps.room import Room
from hephaestus_stream.runtime.steps.stack import where_thread_is

_logger: Final = logging.getLogger(__name__)


class StepThreads:
    """Executes blocking steps in daemon threads, which nobody waits for when the process ends.

    A thread cannot be stopped. One whose step does not return is left behind, and a fresh one takes its place: as many
    times as there are places, since each costs memory for ever.

    Args:
        count: How many steps at once, and a tenth on top for kinds that hold few places; threads begin when they are
            needed.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._places = Places(Room(count))
        self._idle: list[_StepThread] = []
        self._hanging: set[_StepThread] = set()
        self._numbers = counting(1)
        self._is_closed = False

    async def execute(self, attempt: Attempt, work: Execution) -> AttemptEnd:
        """Runs a step; it raises `CancelledError` where the thread is left behind."""
        await self._places.acquire(attempt.kind)
        try:
            thread = self._idle.pop() if self._idle else _StepThread(next(self._numbers), returned=self._returned)
            call = partial(execute_blocking, attempt, jitter=random.random, stopping=work.is_stopping)
            end = thread.call(partial(copy_context().run, call))
            work.engage(give_up=partial(self._abandon, thread, work, end))
            work.begin()
            return await end
        finally:
            self._places.release(attempt.kind)

    def close(self) -> None:
        """Ends the threads that are idle, and the others after what they do."""
        self._is_closed = True
        for thread in self._idle:
            thread.retire()
        self._idle.clear()

    def _returned(self, thread: _StepThread) -> None:
        """A step has returned; that of a thread that was replaced needs it no more."""
        if thread.is_replaced or self._is_closed:
            thread.retire()
        else:
            self._idle.append(thread)
        self._hanging.discard(thread)

    def _abandon(self, thread: _StepThread, work: Execution, end: asyncio.Future[AttemptEnd]) -> None:
        """Replaces the thread of a step that does not stop, while there are not too many such."""
        self._hanging.add(thread)
        _logger.warning(
            "%s hangs in its thread, which is left behind; look at context.stop_requested in its execute, or let it "
            "run in a process: runner = 'process'. It is at\n%s",
            work.name,
            where_thread_is(thread.ident),
        )
        if len(self._hanging) <= self._count:
            thread.is_replaced = True
            end.cancel()
        else:
            _logger.error(
                "%d steps hang in their threads, more than are replaced: each further one takes a place from blocking "
                "steps until it returns. Restart this worker",
                len(self._hanging),
            )


class _StepThread:
    """A thread that makes one call after the other.

    Args:
        number: Its name.
        returned: Told on the event loop after each call, before its outcome is.

    Attributes:
        is_replaced: Whether another thread has taken its place.
    """

    def __init__(self, number: int, *, returned: Callable[[_StepThread], None]) -> None:
        self.is_replaced = False
        self._returned = returned
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Callable[[], AttemptEnd], asyncio.Future[AttemptEnd]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"step-{number}", daemon=True)
        self._thread.start()

    @property
    def ident(self) -> int | None:
        """By which Python knows it."""
        return self._thread.ident

    def call(self, function: Callable[[], AttemptEnd]) -> asyncio.Future[AttemptEnd]:
        """Calls a function that raises nothing."""
        future: asyncio.Future[AttemptEnd] = self._loop.create_future()
        self._calls.put((function, future))
        return future

    def retire(self) -> None:
        """Ends the thread after what it does."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            function, future = call
            with original_only():
                end = function()
            try:
                self._loop.call_soon_threadsafe(self._tell, future, end)
            except RuntimeError:  # the loop is closed, and nobody waits for the outcome
                return
            del call, function, future, end  # the thread may idle for long

    def _tell(self, future: asyncio.Future[AttemptEnd], end: AttemptEnd) -> None:
        self._returned(self)
        if not future.done():
            future.set_result(end)
