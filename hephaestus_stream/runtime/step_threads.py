"""The threads of blocking steps: a step that hangs keeps its thread, but neither its worker's exit nor its timeout."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


class StepThreads(Executor):
    """A pool of daemon threads.

    Those of `concurrent.futures` are waited for when the process ends, however long their work takes.

    Args:
        count: How many threads there may be; they begin when they are needed.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._started = 0
        self._idle = threading.Semaphore(0)
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(
        self, fn: Callable[ParametersT, ResultT], /, *args: ParametersT.args, **kwargs: ParametersT.kwargs
    ) -> Future[ResultT]:
        """Calls the function in a thread."""
        future: Future[ResultT] = Future()
        self._work.put(partial(_call, future, partial(fn, *args, **kwargs)))
        if not self._idle.acquire(blocking=False) and self._started < self._count:
            self._started += 1
            threading.Thread(target=self._serve, name=f"step-{self._started}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - Executor's
        """Ends the threads that are idle, and the others after what they do."""
        for _ in range(self._started):
            self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            self._idle.release()


class LentThread(Executor):
    """One place among the threads, for one call: it is given back when the thread is free, not when the step timed out.

    Args:
        threads: The pool.
        places: Acquired before.
    """

    def __init__(self, threads: StepThreads, places: asyncio.Semaphore) -> None:
        self._threads = threads
        self._places = places
        self._loop = asyncio.get_running_loop()
        self._called: Future[object] | None = None

    def submit(
        self, fn: Callable[ParametersT, ResultT], /, *args: ParametersT.args, **kwargs: ParametersT.kwargs
    ) -> Future[ResultT]:
        """Calls the function in a thread."""
        future = self._threads.submit(fn, *args, **kwargs)
        self._called = future  # type: ignore[assignment]  # a Future is invariant; only its end matters here
        return future

    def give_back(self) -> None:
        """The step's outcome is known; its thread may still be at work."""
        if self._called is None:
            self._places.release()
        else:
            self._called.add_done_callback(self._release)

    def _release(self, _: Future[object]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits for a place
            self._loop.call_soon_threadsafe(self._places.release)


def _call(future: Future[ResultT], function: Callable[[], ResultT]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
