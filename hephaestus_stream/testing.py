"""The Simulator: the worker's engine and cycle under a virtual clock, without a broker.

simulator = Simulator()
simulator.stub(OrderFlow.charge, ConnectionError("down"), ChargeCard.charged(Payment(reference="p-1")))
run = await simulator.start(OrderFlow, "abc123", order)
run = await simulator.skip(run, timedelta(days=14))
assert run.status == "waiting"
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, overload

import msgspec

from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.event import NodeEvent, Outcome
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.state import State, Status
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.cycle import run_cycle
from hephaestus_stream.cycle.execute import execute
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, Source, TimerDue
from hephaestus_stream.cycle.tables import Tables, next_timer
from hephaestus_stream.errors import CommandRefusedError
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.headers import REPLY_PARTITION
from hephaestus_stream.wire.output import HistoryRecord, Reply
from hephaestus_stream.wire.request import cancel_command, resume_command, start_command
from hephaestus_stream.wire.topics import Topics

InputT = TypeVar("InputT")
PayloadT = TypeVar("PayloadT")

Stub = Outcome | BaseException

# Any fixed moment does; a test that prints one should print the same one tomorrow.
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_EVEN_JITTER = 0.5


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A run as it stood when a verb of the simulator returned; the next verb gives a new one.

    Attributes:
        workflow: The class that it runs.
        id: The business value.
        run: The id of this life of the key.
        status: As everywhere: `running`, `waiting`, `completed` and so on.
        ended_at: The node that ended it.
        error: Why it failed, as `type: message`.
        waiting: The nodes that wait for an event or a time.
        path: The nodes that ran to their end, in that order, the ending among them.
        results: The nodes' payloads as JSON values.
        history: All that happened to it.
    """

    workflow: type[Workflow[Any]]
    id: str
    run: str
    status: Status
    ended_at: str | None
    error: str | None
    waiting: tuple[str, ...]
    path: tuple[str, ...]
    results: Mapping[str, object]
    history: tuple[HistoryRecord, ...]


class Simulator:
    """Runs workflows in a test: each verb returns when all that can happen without time passing has happened.

    Args:
        now: What the virtual clock shows first.

    Attributes:
        now: What the virtual clock shows; only `skip` moves it.
    """

    def __init__(self, *, now: datetime = _BEGINNING) -> None:
        self.now = now
        self._runner = _StubbedRunner()
        self._store = MemoryStore()
        self._workflows: dict[str, type[Workflow[Any]]] = {}
        self._history: dict[tuple[str, str], list[HistoryRecord]] = defaultdict(list)
        self._offset = 0

    def stub(self, node: Node, *outcomes: Stub) -> None:
        """Replaces a node's code: its attempts end with these outcomes and exceptions one by one, the last repeats."""
        if not outcomes:
            raise ValueError("a stub needs at least one outcome or exception")
        # The node is kept with them: another one at its address must not take its stubs over.
        self._runner.stubs[id(node)] = (node, deque(outcomes))

    async def start(
        self,
        workflow: type[Workflow[InputT]],
        id: str,  # noqa: A002 - the wire's own word
        payload: InputT,
        *,
        tags: tuple[str, ...] = (),
        metadata: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = "reject",
        command_id: str | None = None,
    ) -> SimulatedRun:
        """Starts a run; the same `command_id` again gives the run that it started.

        Raises:
            CommandRefusedError: The engine refused.
        """
        self._workflows[f"{workflow.definition.name}/{workflow.definition.version}"] = workflow
        command = start_command(
            workflow, id, payload, command_id=command_id, tags=tags, metadata=metadata, on_conflict=on_conflict
        )
        reply = await self._command(command)
        return self._snapshot(workflow, id, reply.run or "")

    @overload
    async def resume(self, run: SimulatedRun, event: NodeEvent[None]) -> SimulatedRun: ...
    @overload
    async def resume(self, run: SimulatedRun, event: NodeEvent[PayloadT], payload: PayloadT) -> SimulatedRun: ...
    async def resume(self, run: SimulatedRun, event: NodeEvent[Any], payload: object = None) -> SimulatedRun:
        """Sends an event from outside.

        Raises:
            CommandRefusedError: The engine refused.
        """
        await self._command(resume_command(run.workflow, run.id, event, payload, run=run.run))
        return self._snapshot(run.workflow, run.id, run.run)

    async def cancel(self, run: SimulatedRun, *, reason: str | None = None) -> SimulatedRun:
        """Ends a run.

        Raises:
            CommandRefusedError: The engine refused.
        """
        await self._command(cancel_command(run.workflow, run.id, run=run.run, reason=reason))
        return self._snapshot(run.workflow, run.id, run.run)

    async def skip(self, run: SimulatedRun, time: timedelta) -> SimulatedRun:
        """Lets time pass for all runs: timers fire one after the other, each at its own moment; nothing sleeps."""
        end = self.now + time
        while (due_at := next_timer(self._store)) is not None and due_at <= end:
            self.now = max(self.now, due_at)
            timers = Tables(self._store, command_retention=timedelta(0)).due_timers(self.now, limit=1000)
            await self._run([TimerDue(timer, _EVEN_JITTER) for timer in timers])
        self.now = end
        await self._run([])
        return self._snapshot(run.workflow, run.id, run.run)

    async def _command(self, command: Command) -> Reply:
        self._offset += 1
        headers = ((REPLY_PARTITION, b"0"),)
        value = encode_command(command)
        batches = await self._run([CommandRecord(self._offset, 0, command.key.encode(), value, headers)])
        reply = next(
            Reply.from_bytes(reply.value) for batch in batches for reply in batch.replies if reply.id == command.id
        )
        if not reply.accepted:
            raise CommandRefusedError(reply.message or "", reason=reply.reason or "", run=reply.run)
        return reply

    async def _run(self, sources: Sequence[Source]) -> list[Batch]:
        """Cycles until nothing is left to do without time passing."""
        shard = ShardProfile(
            partition=0,
            partitions=1,
            topics=Topics("simulated"),
            catalog=Catalog(self._workflows.values()),
            jitter=lambda: _EVEN_JITTER,
        )
        batches: list[Batch] = []
        while sources or not batches:
            batch = await run_cycle(shard, self._store, self._runner, sources, now=self.now)
            self._commit(batch, shard.topics)
            batches.append(batch)
            futures = [future for _, future in batch.running]
            if futures:
                await asyncio.wait(futures)
            # What was stopped has no outcome.
            sources = [AttemptEnded(id, future.result()) for id, future in batch.running if not future.cancelled()]  # noqa: A001 - the attempt's id
        return batches

    def _commit(self, batch: Batch, topics: Topics) -> None:
        self._store.write(batch.changes)
        for record in batch.outputs:
            if record.topic == topics.history and record.value is not None:
                event = HistoryRecord.from_bytes(record.value)
                self._history[event.key, event.run].append(event)
        for attempt in batch.stops:
            self._runner.stop(attempt)

    def _snapshot(self, workflow: type[Workflow[Any]], id: str, run: str) -> SimulatedRun:  # noqa: A002 - as above
        key = f"{workflow.definition.key}::{id}"
        state = Tables(self._store, command_retention=timedelta(0)).state(key, run)
        if state is None:
            raise CommandRefusedError(f"{key} is not kept any more", reason="not_found", run=run)
        history = tuple(self._history[key, run])
        return SimulatedRun(
            workflow=workflow,
            id=id,
            run=run,
            status=state.status,
            ended_at=state.ended_at,
            error=None if state.error is None else f"{state.error.type}: {state.error.message}",
            waiting=tuple(name for name, node in state.nodes.items() if node.status == "waiting"),
            path=_path(history),
            results=_results(state),
            history=history,
        )


class _StubbedRunner:
    """Executes attempts in this event loop, or takes their outcomes from stubs."""

    def __init__(self) -> None:
        self.stubs: dict[int, tuple[Node, deque[Stub]]] = {}
        self._running: dict[AttemptId, asyncio.Task[AttemptEnd]] = {}

    def start(self, attempt: Attempt) -> asyncio.Future[AttemptEnd]:
        """Begins to execute an attempt."""
        task = asyncio.create_task(self._execute(attempt))
        self._running[attempt.id] = task
        task.add_done_callback(lambda _: self._running.pop(attempt.id, None))
        return task

    def is_running(self, attempt: AttemptId) -> bool:
        """Whether the attempt is being executed."""
        return attempt in self._running

    def stop(self, attempt: AttemptId) -> None:
        """Cancels an attempt."""
        if attempt in self._running:
            self._running[attempt].cancel()

    async def _execute(self, attempt: Attempt) -> AttemptEnd:
        stubbed = self.stubs.get(id(attempt.definition.nodes[attempt.id.node]))
        if stubbed is None:
            return await execute(attempt, executor=None, jitter=lambda: _EVEN_JITTER)
        _, stubs = stubbed
        outcome = stubs.popleft() if len(stubs) > 1 else stubs[0]
        if isinstance(outcome, BaseException):
            return attempt.failed(outcome, jitter=_EVEN_JITTER)
        return attempt.ended(outcome)


def _path(history: Sequence[HistoryRecord]) -> tuple[str, ...]:
    ends = {"step_completed", "completed", "failed"}
    return tuple(event.node for event in history if event.type in ends and event.node is not None)


def _results(state: State) -> dict[str, object]:
    return {
        name: msgspec.json.decode(node.reported.payload)
        for name, node in state.nodes.items()
        if node.reported is not None and node.reported.payload is not None
    }
