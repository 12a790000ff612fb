"""The worker's step runner: steps as tasks, in threads and in processes, a bound on how many run at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from hephaestus_stream.core.step import RunnerName, is_step
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId, Kind
from hephaestus_stream.runtime.steps.execution import Execution, Workplace
from hephaestus_stream.runtime.steps.processes import StepProcesses
from hephaestus_stream.runtime.steps.room import Room
from hephaestus_stream.runtime.steps.tasks import StepTasks
from hephaestus_stream.runtime.steps.threads import StepThreads
from hephaestus_stream.runtime.steps.unheard import UnheardOutcomes
from hephaestus_stream.telemetry.log_format import LogFormat

_QUEUE_FACTOR: Final = 10
"""How many attempts may wait for each that is executed; beyond it shards take nothing that begins new ones."""

_DEFAULT_GRACE: Final = timedelta(seconds=1)
_LAST_TURNS: Final = timedelta(seconds=1)


class StepRunner:
    """Executes the attempts of all shards of a worker.

    Executions outlive a rebalance: they belong to the worker, and a shard that comes back attaches to them. What has
    ended is kept until its outcome is committed.

    Args:
        concurrency: How many async steps may be executed at once; further ones wait, and their timeouts with them.
        threads: The same for blocking steps.
        processes: The same for steps in processes.
        stop_grace: What the code of a step gets that is asked to stop, before it is given up.
        log_format: What a line is that a step in a process logs.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        threads: int,
        processes: int = os.cpu_count() or 1,
        stop_grace: timedelta = _DEFAULT_GRACE,
        log_format: LogFormat = "text",
    ) -> None:
        self._room = Room(concurrency * _QUEUE_FACTOR)
        self._grace = stop_grace
        self._processes = StepProcesses(processes, log_format=log_format)
        self._threads = StepThreads(threads)
        self._workplaces: dict[RunnerName, Workplace] = {
            "asyncio": StepTasks(concurrency),
            "thread": self._threads,
            "process": self._processes,
        }
        self._executions: dict[AttemptId, Execution] = {}
        self._unheard = UnheardOutcomes()
        # Code may still run whose outcome was told or is wanted by nobody.
        self._at_work: set[Execution] = set()

    def start(self, attempt: Attempt) -> asyncio.Future[AttemptEnd]:
        """Begins to execute an attempt, or gives back the execution that is under way."""
        execution = self._executions.get(attempt.id)
        if execution is None:
            node = attempt.definition.nodes.get(attempt.id.node)
            workplace = self._workplaces[node.runs_in() if is_step(node) else "asyncio"]
            execution = Execution(attempt, workplace, grace=self._grace, ended=self._ended)
            self._executions[attempt.id] = execution
            self._room.take(attempt.kind)
            self._at_work.add(execution)
        return execution.outcome

    @property
    def held(self) -> int:
        """How many attempts are executed, queued, or wait for their commit."""
        return len(self._executions)

    @property
    def waiting(self) -> int:
        """How many of them wait for a place."""
        executions = tuple(self._executions.values())  # asked from other threads, too
        return sum(each.began_at is None and not each.outcome.done() for each in executions)

    @property
    def unheard_bytes(self) -> int:
        """How much the large outcomes hold that wait for their commit."""
        return self._unheard.bytes

    def has_room_for(self, kind: Kind) -> bool:
        """Whether an attempt of this kind may be started: what waits to be executed is held in memory.

        A kind that holds few has room where one that holds many has none any more, so that others which fill the runner
        do not hold it up. Nothing may begin while large outcomes wait for their commit.
        """
        return not self._unheard.are_large and self._room.is_for(kind)

    def is_running(self, attempt: AttemptId) -> bool:
        """Whether this worker executes the attempt, or has executed it and its outcome is not committed yet."""
        return attempt in self._executions

    def stop(self, attempt: AttemptId, *, at_once: bool = False) -> None:
        """Stops an attempt whose outcome is no longer wanted.

        Its code is asked to end, and given up after a grace; or given up at once.
        """
        execution = self._let_go(attempt)
        if execution is not None:
            execution.stop(at_once=at_once)

    def forget(self, attempt: AttemptId) -> None:
        """The outcome of an attempt is committed."""
        self._let_go(attempt)

    def stop_all_but(self, wanted: Callable[[AttemptId], bool]) -> None:
        """Stops what belongs to others now."""
        for attempt in [attempt for attempt in self._executions if not wanted(attempt)]:
            self.stop(attempt)

    async def finish(self, patience: timedelta) -> None:
        """Gives what runs a bounded time to end, so that its outcome can still be committed."""
        running = [execution.outcome for execution in self._executions.values() if not execution.outcome.done()]
        if running:
            await asyncio.wait(running, timeout=patience.total_seconds())

    async def close(self) -> None:
        """Stops everything; what does not stop within its grace is killed or left behind."""
        self.stop_all_but(lambda _: False)
        if self._at_work:
            tasks = {execution.task for execution in self._at_work}
            await asyncio.wait(tasks, timeout=(self._grace + _LAST_TURNS).total_seconds())
        for execution in list(self._at_work):
            execution.cancel()
        self._threads.close()
        await self._processes.close()

    def _ended(self, execution: Execution) -> None:
        """The code of an attempt has ended, or is given up."""
        self._at_work.discard(execution)
        id, outcome = execution.attempt.id, execution.outcome  # noqa: A001 - the attempt's id
        if outcome.done() and not outcome.cancelled() and self._executions.get(id) is execution:
            self._unheard.add(id, outcome.result())

    def _let_go(self, attempt: AttemptId) -> Execution | None:
        execution = self._executions.pop(attempt, None)
        if execution is not None:
            self._room.give_back(execution.attempt.kind)
            self._unheard.forget(attempt)
        return execution
