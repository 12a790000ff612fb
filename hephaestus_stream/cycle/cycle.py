"""The cycle: inputs are taken, steps are executed and folded in, and a batch is left to be committed."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from itertools import count, repeat
from typing import Final, assert_never

from hephaestus_stream.core.answer import Reason, Refused
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import Input, Recovered, TimerFired
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.attempt import Attempt, AttemptId
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.blame import OF_NO_INPUT
from hephaestus_stream.cycle.commands import Commands
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.execution import Execution, ShardProfile
from hephaestus_stream.cycle.intake import Intake, read
from hephaestus_stream.cycle.record import TimerRecord
from hephaestus_stream.cycle.runner import Runner
from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, Source, TakenOver, TimerDue
from hephaestus_stream.cycle.streak import Streak
from hephaestus_stream.errors import CommandError, RecordRefusedError
from hephaestus_stream.wire.command import Command

_logger = logging.getLogger(__name__)

_EXPIRED_PER_CYCLE = 200

_PART: Final = 64
"""Inputs that are taken in one go; whatever else the worker does goes on in between."""

_WAVES: Final = 16
"""Of those that begin no step: a flood for one key makes a wave of each of its commands."""

_FIRST_PARTS: Final = (4, 12, 16, 32)
"""Of a cycle that waits for no other. It begins with few, since only their outputs tell how large those of the others
may be."""

MAX_OUTPUT_BYTES: Final = 4 * 1024 * 1024
"""Of outputs of one cycle, beyond which it takes no further input: they are held in memory until they are committed."""

_NO_OTHERS: Final = nullcontext()

_Taken = tuple[CommandRecord, Command] | AttemptEnded | TimerDue | TakenOver


async def run_cycle(
    shard: ShardProfile,
    committed: Committed,
    runner: Runner,
    sources: Sequence[Source],
    *,
    now: datetime,
    fold: bool = True,
    expire: bool = True,
    turn: AbstractAsyncContextManager[object] = _NO_OTHERS,
    failed: Sequence[str] = (),
) -> Batch:
    """Takes inputs, and goes on with each run as far as it comes without waiting.

    An instance's chain of steps ends before its next input is taken; different instances go side by side. The inputs
    behind those with large outputs are left, in `Batch.left`.

    Args:
        shard: The shard's surroundings.
        committed: Its committed state.
        runner: Executes the steps.
        sources: What came in, in its order.
        now: The time of all transitions of the cycle.
        fold: Whether steps are executed within the cycle. A step that may have killed its worker is not: that it is
            tried again is committed first.
        expire: Whether what is kept no longer is deleted.
        turn: Held by a cycle of many inputs: one after the other they end sooner than side by side. Those of few
            inputs need none.
        failed: The `failed` of the batch before.

    Raises:
        EngineBrokenError: The engine failed on too many instances in a row; nothing of the cycle counts.
    """
    cycle = _Cycle(shard, committed, runner, now=now, fold=fold, failed=failed)
    if expire:
        # It goes first, so that a key is free the moment its retention is over.
        cycle.expire()
    await cycle.take_all(sources, turn=turn)
    return cycle.finish()


def reject(
    shard: ShardProfile,
    committed: Committed,
    runner: Runner,
    source: Source,
    *,
    error: Exception,
    now: datetime,
    failed: Sequence[str] = (),
) -> Batch:
    """What is left of one input that cannot be taken in: a refusal, or a run that stands still.

    Args:
        shard: The shard's surroundings.
        committed: Its committed state.
        runner: Not asked for anything.
        source: The input, alone.
        error: Why: no broker takes its records (`RecordRefusedError`), or a bug of ours.
        now: The time of it.
        failed: The `failed` of the batch before.

    Raises:
        EngineBrokenError: It is one too many.
    """
    cycle = _Cycle(shard, committed, runner, now=now, fold=False, failed=failed)
    reason: Reason = "too_large" if isinstance(error, RecordRefusedError) else "engine_error"
    cycle.reject(source, reason=reason, error=error)
    return cycle.finish()


class _Cycle:
    def __init__(
        self,
        shard: ShardProfile,
        committed: Committed,
        runner: Runner,
        *,
        now: datetime,
        fold: bool,
        failed: Sequence[str],
    ) -> None:
        self._fold_in = fold
        self._streak = Streak(failed)
        self._execution = Execution(shard, committed, now=now)
        self._intake = Intake(self._execution)
        self._runner = runner

    def expire(self) -> None:
        """Deletes what is kept no longer, a bounded part of it."""
        tables, batch = self._execution.tables, self._execution.batch
        batch.more_expired = tables.expire(self._execution.now, limit=_EXPIRED_PER_CYCLE) == _EXPIRED_PER_CYCLE

    async def take_all(self, sources: Sequence[Source], *, turn: AbstractAsyncContextManager[object]) -> None:
        """Takes the inputs in their order, some in one go, until their outputs are large."""
        left = await self._take_parts(sources, _FIRST_PARTS)
        if left and not self._is_large:
            async with turn:
                left = await self._take_parts(left, repeat(_PART))
        self._execution.batch.left = left

    @property
    def _is_large(self) -> bool:
        return self._execution.publisher.size > MAX_OUTPUT_BYTES

    async def _take_parts(self, sources: Sequence[Source], parts: Iterable[int]) -> Sequence[Source]:
        """Takes so many inputs in one go after the other, unless the outputs are large; returns those that are left."""
        for part in parts:
            if not sources or self._is_large:
                break
            await self._take_in_waves(sources[:part])
            sources = sources[part:]
            if sources:
                await asyncio.sleep(0)
        return sources

    async def _take_in_waves(self, sources: Sequence[Source]) -> None:
        """Takes inputs in waves: each wave has at most one of a key."""
        by_key: dict[str, deque[_Taken]] = defaultdict(deque)
        for source in sources:
            if isinstance(source, CommandRecord):
                command = read(source)
                if isinstance(command, CommandError):
                    self._intake.refuse_unread(source, command)
                else:
                    by_key[command.key].append((source, command))
            else:
                by_key[_key_of(source)].append(source)
        for number in count(1):
            for key, waiting in list(by_key.items()):
                self._take(waiting.popleft())
                if not waiting:
                    del by_key[key]
            await self._fold()
            if not by_key:
                return
            if number % _WAVES == 0:
                await asyncio.sleep(0)

    def reject(self, source: Source, *, reason: Reason, error: Exception) -> None:
        """Takes nothing of an input in, and tells so."""
        if reason == "engine_error":
            self._streak.failed(_key_of(source))
        match source:
            case CommandRecord():
                command = read(source)
                if isinstance(command, CommandError):
                    self._intake.refuse_unread(source, command)
                else:
                    self._intake.refuse(source, command, Refused(reason, f"it cannot be taken in: {error}"[:1000]))
            case AttemptEnded(id, end):
                self._halt(id.key, id.run, end, error)
            case TimerDue(timer, jitter):
                self._execution.tables.clear_timer(timer)
                fired = TimerFired(timer.node, timer.attempt, timer.kind, timer.due_at, jitter)
                self._halt(timer.key, timer.run, fired, error)
            case TakenOver(key, run, worker_lost):
                self._halt(key, run, Recovered(worker_lost), error)
            case _:
                assert_never(source)

    def finish(self) -> Batch:
        """The batch, when all is taken."""
        tables, batch = self._execution.tables, self._execution.batch
        batch.changes, batch.failed = tables.changes(), self._streak.keys
        # A run that ended in this cycle needs none of its attempts.
        stopped = set(batch.stops)
        batch.to_start = [attempt for attempt in batch.to_start if attempt.id not in stopped]
        return batch

    def _take(self, taken: _Taken) -> None:
        match taken:
            case AttemptEnded(id, end):
                self._transit(id.key, id.run, end)
            case TimerDue(timer, jitter):
                self._fire(timer, jitter)
            case TakenOver():
                self._take_over(taken)
            case (record, command):
                self._take_command(record, command)
            case _:
                assert_never(taken)

    def _take_command(self, record: CommandRecord, command: Command) -> None:
        try:
            self._intake.take(record, command)
            self._streak.succeeded()
        except OF_NO_INPUT:
            raise
        except Exception:  # our own bug must cost this command only
            _logger.exception("a %s command for %s failed in the engine", command.type, command.key)
            self._streak.failed(command.key)
            refused = Refused("engine_error", f"a bug in the engine; the {command.type} command is in the dead letters")
            self._intake.refuse(record, command, refused)

    def _fire(self, timer: TimerRecord, jitter: float) -> None:
        """Fires a timer; one of a parked run is held, until a worker has what the run lacks here."""
        execution = self._execution
        state = execution.tables.state(timer.key, timer.run)
        if state is not None and execution.shard.definition_of(state) is None:
            execution.batch.held.append(timer)
            execution.tell_parked(state)
            return
        fired = TimerFired(timer.node, timer.attempt, timer.kind, timer.due_at, jitter)
        if not self._transit(timer.key, timer.run, fired):
            execution.tables.clear_timer(timer)

    def _take_over(self, taken: TakenOver) -> None:
        """Attaches to the attempts that this process still executes, and starts the others again."""
        execution, key, run = self._execution, taken.key, taken.run
        found = self._find(key, run)
        if found is None:
            return
        definition, state = found
        if taken.turn:
            self._transit(key, run, Recovered(taken.worker_lost, turn=taken.turn))
            return
        attempts = [
            Attempt(AttemptId(key, run, name, node.attempt), definition, state, cipher=execution.shard.cipher)
            for name, node in state.nodes.items()
            if node.status == "running"
        ]
        alive = [attempt for attempt in attempts if self._runner.is_running(attempt.id)]
        execution.to_run.update({attempt.id: attempt for attempt in alive})
        if len(alive) < len(attempts):
            nodes = tuple(attempt.id.node for attempt in alive)
            self._transit(key, run, Recovered(taken.worker_lost, nodes, taken.last_seen, taken.alone))
        if state.parked:
            Commands(execution).release(definition, execution.tables.state(key, run) or state)

    def _transit(self, key: str, run: str, what: Input) -> bool:
        """Applies what is no command; returns whether there is such a run, and the worker has its workflow."""
        found = self._find(key, run)
        if found is None:
            return False
        definition, state = found
        try:
            self._execution.transit(definition, state, what)
            self._streak.succeeded()
        except OF_NO_INPUT:
            raise
        except Exception as error:  # our own bug must cost this run only
            _logger.exception("%s of %s (run %s) failed in the engine; the run is halted", what, key, run)
            self._streak.failed(key)
            self._execution.halt(definition, state, what, error=error)
            return False
        return True

    def _halt(self, key: str, run: str, what: Input, error: Exception) -> None:
        found = self._find(key, run)
        if found is not None:
            self._execution.halt(*found, what, error=error)

    def _find(self, key: str, run: str) -> tuple[Definition, State] | None:
        """A run and its workflow, where there is the one and the worker has the other; else the run is parked."""
        state = self._execution.tables.state(key, run)
        if state is None:
            return None
        definition = self._execution.shard.definition_of(state)
        if definition is None:
            self._execution.tell_parked(state)
            return None
        return definition, state

    async def _fold(self) -> None:
        """Executes the attempts that were asked for; those that end at once go on within this cycle."""
        execution = self._execution
        if not self._fold_in:
            execution.batch.to_start += execution.to_run.values()
            execution.to_run.clear()
        while execution.to_run:
            started = [
                (attempt, self._runner.start(attempt))
                for attempt in execution.to_run.values()
                if self._runner.has_room_for(attempt.kind)
            ]
            begun = {attempt.id for attempt, _ in started}
            execution.batch.to_start += (each for each in execution.to_run.values() if each.id not in begun)
            execution.to_run.clear()
            # Each runs in a task of its own; a step that does not wait has ended when we are back.
            await asyncio.sleep(0)
            for attempt, future in started:
                if future.cancelled():
                    continue
                if future.done():
                    execution.batch.folded.append(attempt.id)
                    self._transit(attempt.id.key, attempt.id.run, future.result())
                else:
                    execution.batch.running.append((attempt.id, future))


def _key_of(source: Source) -> str:
    match source:
        case CommandRecord():
            # An instance is named by the command; the record's key may be another one.
            return read(source).key or (source.key or b"").decode(errors="replace")
        case AttemptEnded(id):
            return id.key
        case TimerDue(timer):
            return timer.key
        case TakenOver(key):
            return key
