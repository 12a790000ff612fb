"""The worker's step runner: async steps as tasks, blocking ones in threads, a bound on how many run at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId
from hephaestus_stream.cycle.execute import execute
from hephaestus_stream.runtime.step_threads import LentThread, StepThreads

_QUEUE_FACTOR: Final = 10
"""How many attempts may wait for each that is executed; beyond it shards take nothing that begins new ones."""


class StepRunner:
    """Executes the attempts of all shards of a worker.

    Executions outlive a rebalance: they belong to the worker, and a shard that comes back attaches to them. What has
    ended is kept until its outcome is committed.

    Args:
        concurrency: How many attempts may be executed at once; further ones wait, and their timeouts with them.
        threads: How many of them may be blocking ones.
    """

    def __init__(self, *, concurrency: int, threads: int) -> None:
        self._max_attempts = concurrency * _QUEUE_FACTOR
        self._slots = asyncio.Semaphore(concurrency)
        self._thread_slots = asyncio.Semaphore(threads)
        self._threads = StepThreads(threads)
        self._tasks: dict[AttemptId, asyncio.Task[AttemptEnd]] = {}

    def start(self, attempt: Attempt) -> asyncio.Future[AttemptEnd]:
        """Begins to execute an attempt, or gives back the execution that is under way."""
        task = self._tasks.get(attempt.id)
        if task is None:
            task = self._tasks[attempt.id] = asyncio.create_task(self._execute(attempt))
        return task

    @property
    def has_room(self) -> bool:
        """Whether new work may begin: what waits to be executed is held in memory."""
        return len(self._tasks) < self._max_attempts

    def is_running(self, attempt: AttemptId) -> bool:
        """Whether this worker executes the attempt, or has executed it and its outcome is not committed yet."""
        return attempt in self._tasks

    def stop(self, attempt: AttemptId) -> None:
        """Stops an attempt whose outcome is no longer wanted; a thread cannot be stopped, and ends unheard."""
        task = self._tasks.pop(attempt, None)
        if task is not None:
            task.cancel()

    def forget(self, attempt: AttemptId) -> None:
        """The outcome of an attempt is committed."""
        self._tasks.pop(attempt, None)

    def stop_all_but(self, wanted: Callable[[AttemptId], bool]) -> None:
        """Stops what belongs to others now."""
        for attempt in [attempt for attempt in self._tasks if not wanted(attempt)]:
            self.stop(attempt)

    async def finish(self, patience: timedelta) -> None:
        """Gives what runs a bounded time to end, so that its outcome can still be committed."""
        running = [task for task in self._tasks.values() if not task.done()]
        if running:
            await asyncio.wait(running, timeout=patience.total_seconds())

    async def close(self) -> None:
        """Stops everything; threads that still run are left behind."""
        tasks = list(self._tasks.values())
        self.stop_all_but(lambda _: False)
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        self._threads.shutdown()

    async def _execute(self, attempt: Attempt) -> AttemptEnd:
        try:
            if attempt.step.is_blocking():
                return await self._execute_in_thread(attempt)
            async with self._slots:
                return await execute(attempt, executor=None, jitter=random.random)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - shards rely on it: an attempt ends, or it is stopped
            return attempt.failed(error, jitter=0.5)

    async def _execute_in_thread(self, attempt: Attempt) -> AttemptEnd:
        await self._thread_slots.acquire()
        thread = LentThread(self._threads, self._thread_slots)
        try:
            return await execute(attempt, executor=thread, jitter=random.random)
        finally:
            thread.give_back()
