"""Who executes the steps of a simulator: the worker's own code, but timeouts are virtual, and stubs come first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from hephaestus_stream.core.step import Step, is_step
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId, Kind
from hephaestus_stream.cycle.execute import execute, too_late
from hephaestus_stream.cycle.source import AttemptEnded
from hephaestus_stream.testing.clock import VirtualClock
from hephaestus_stream.testing.stub import HANGS, Stub, StubFunction, Stubs

EVEN_JITTER: Final = 0.5
"""Chance is left out: jitter stands in its middle."""


@dataclass(slots=True)
class _Execution:
    """One attempt under way.

    Attributes:
        future: How it ended.
        times_out_at: When its step's `timeout` is over, by the virtual clock.
        task: What executes it; None for a stub.
        is_slow: Whether the current verb has waited for it long enough.
    """

    attempt: Attempt
    future: asyncio.Future[AttemptEnd]
    times_out_at: datetime | None
    task: asyncio.Task[None] | None = None
    is_slow: bool = False

    def end(self, end: AttemptEnd) -> None:
        """Tells how it ended, if nobody told before."""
        if not self.future.done():
            self.future.set_result(end)

    def stop(self) -> None:
        """Its outcome is no longer wanted."""
        self.future.cancel()
        if self.task is not None:
            self.task.cancel()


class SimulatedRunner:
    """Executes attempts in the event loop of the test.

    Args:
        clock: By which timeouts count.
        stubs: What is done instead of a node's code.
        patience: How long a step is waited for, in real time.
    """

    def __init__(self, clock: VirtualClock, stubs: Stubs, *, patience: timedelta) -> None:
        self._clock = clock
        self._stubs = stubs
        self._patience = patience
        self._executions: dict[AttemptId, _Execution] = {}

    def start(self, attempt: Attempt) -> asyncio.Future[AttemptEnd]:
        """Begins to execute an attempt, or gives back the execution that is under way."""
        if attempt.id in self._executions:
            return self._executions[attempt.id].future
        node = attempt.definition.nodes.get(attempt.id.node)
        timeout = node.timeout if is_step(node) else None
        future: asyncio.Future[AttemptEnd] = asyncio.get_running_loop().create_future()
        execution = _Execution(attempt, future, None if timeout is None else self._clock.now + timeout)
        self._executions[attempt.id] = execution
        self._begin(execution, None if node is None else self._stubs.take(node, attempt.id))
        return future

    def has_room_for(self, kind: Kind) -> bool:  # noqa: ARG002 - the protocol's
        """There is room: the number of places is no part of a simulation."""
        return True

    def is_running(self, attempt: AttemptId) -> bool:
        """Whether the attempt is being executed, or has ended and its outcome is not committed yet."""
        return attempt in self._executions

    def stop(self, attempt: AttemptId) -> None:
        """Stops an attempt whose outcome is no longer wanted; a thread cannot be stopped, and ends unheard."""
        execution = self._executions.pop(attempt, None)
        if execution is not None:
            execution.stop()

    def forget(self, attempt: AttemptId) -> None:
        """The outcome of an attempt is committed."""
        self._executions.pop(attempt, None)

    def ended(self) -> list[AttemptEnded]:
        """The attempts that have ended, in the order in which they began: that of their ends is a race."""
        return [
            AttemptEnded(id, execution.future.result())
            for id, execution in self._executions.items()  # noqa: A001 - the attempt's id
            if execution.future.done() and not execution.future.cancelled()
        ]

    def wait_again(self) -> None:
        """A new verb waits for steps that the former one gave up on."""
        for execution in self._executions.values():
            execution.is_slow = False

    async def settle(self) -> bool:
        """Waits for what runs; returns whether something has ended."""
        waited = [
            each
            for each in self._executions.values()
            if each.task is not None and not each.future.done() and not each.is_slow
        ]
        if not waited:
            return False
        await _wait((each.future for each in waited), self._patience)
        for each in waited:
            each.is_slow = not each.future.done()
        return bool(self.ended())

    @property
    def next_timeout(self) -> datetime | None:
        """When the first of the attempts that run times out."""
        running = [each for each in self._executions.values() if not each.future.done()]
        return min((each.times_out_at for each in running if each.times_out_at is not None), default=None)

    async def time_out(self) -> None:
        """Ends the attempts whose time is over."""
        over = [
            each
            for each in self._executions.values()
            if not each.future.done() and each.times_out_at is not None and each.times_out_at <= self._clock.now
        ]
        for each in over:
            each.end(each.attempt.failed(too_late(each.attempt), jitter=EVEN_JITTER))
        await self._cancel(over)

    async def lose_all(self) -> None:
        """Stops everything, as the death of a worker does; steps may not tell it how they ended."""
        lost = list(self._executions.values())
        self._executions.clear()
        for each in lost:
            each.future.cancel()
        await self._cancel(lost)

    async def _cancel(self, executions: Iterable[_Execution]) -> None:
        """Cancels tasks, and waits until they have cleaned up after themselves."""
        tasks = [each.task for each in executions if each.task is not None and not each.task.done()]
        for task in tasks:
            task.cancel()
        await _wait(tasks, self._patience)

    def _begin(self, execution: _Execution, stub: Stub | None) -> None:
        attempt = execution.attempt
        if stub is HANGS:
            return
        if isinstance(stub, BaseException):
            execution.end(attempt.failed(stub, jitter=EVEN_JITTER))
        elif stub is None or callable(stub):
            execution.task = asyncio.create_task(_execute(execution, stub))
        else:
            execution.end(attempt.ended(stub))


async def _execute(execution: _Execution, function: StubFunction | None) -> None:
    attempt = execution.attempt
    simulated = _SimulatedAttempt(attempt.id, attempt.definition, attempt.state, function, cipher=attempt.cipher)
    try:
        execution.end(await execute(simulated, executor=None, jitter=lambda: EVEN_JITTER))
    finally:
        # A task that somebody else cancelled ends unheard.
        execution.future.cancel()


async def _wait(waited: Iterable[asyncio.Future[Any]], patience: timedelta) -> None:
    futures = list(waited)
    if futures:
        await asyncio.wait(futures, timeout=patience.total_seconds())


@dataclass(frozen=True)
class _SimulatedAttempt(Attempt):
    """An attempt whose step has no timeout, since that is virtual, and perhaps a stub for its code."""

    function: StubFunction | None

    @property
    def step(self) -> Step[Any, Any]:
        """The step's stand-in."""
        # It is asked for no more than it has; a real step cannot be told to forget its timeout.
        return cast("Step[Any, Any]", _StandIn(super().step, self.function))


class _StandIn:
    timeout: timedelta | None = None

    def __init__(self, step: Step[Any, Any], function: StubFunction | None) -> None:
        self._is_blocking = function is None and step.is_blocking()
        self.config: object = step.config
        self.execute: Callable[..., object] = function or step.execute
        self.runner = step.runner

    def is_blocking(self) -> bool:
        return self._is_blocking
