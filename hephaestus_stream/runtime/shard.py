"""A shard: one partition's ownership, its state, and the loop that commits its cycles."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar, cast

from hephaestus_stream.cycle.attempt import AttemptEnd, AttemptId
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.blame import OF_NO_INPUT
from hephaestus_stream.cycle.care import Care, orphans
from hephaestus_stream.cycle.cycle import reject, run_cycle
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, Source
from hephaestus_stream.cycle.suspects import Suspects, Turns
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.errors import (
    AccessDeniedError,
    BrokerRefusedError,
    BrokerUnreachableError,
    CommitFailedError,
    DataFolderError,
    EngineError,
    FencedError,
    StoppedError,
)
from hephaestus_stream.runtime.backlog import Backlog
from hephaestus_stream.runtime.changelog.logs import Logs
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.courier import Courier
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.exhaustion import exhaustion_of
from hephaestus_stream.runtime.gate import TimerGate
from hephaestus_stream.runtime.mailbox import Mailbox
from hephaestus_stream.runtime.pace import Pace
from hephaestus_stream.runtime.parked_runs import ParkedRuns
from hephaestus_stream.runtime.position import Applied
from hephaestus_stream.runtime.queries.owned import OpenShard
from hephaestus_stream.runtime.reading import Reading
from hephaestus_stream.runtime.shard_timers import ShardTimers
from hephaestus_stream.runtime.steps.runner import StepRunner
from hephaestus_stream.runtime.steps.watchdog import SHARD
from hephaestus_stream.telemetry.commits import ShardTelemetry
from hephaestus_stream.telemetry.gauges import ShardLoad
from hephaestus_stream.telemetry.log_fields import add_log_fields

_logger = logging.getLogger(__name__)

MAX_INPUTS: Final = 1_000
_IDLE: Final = timedelta(seconds=60)
"""How often an idle shard looks for what has expired."""

_BUSY: Final = timedelta(milliseconds=20)

_LAST_CYCLE: Final = timedelta(seconds=5)
"""How long a cycle may take that is under way when the shard is closed."""

# The worker exits: what was committed the next owner finds out.
_NOT_OF_ONE_INPUT: Final = (
    *OF_NO_INPUT,
    AccessDeniedError,
    BrokerRefusedError,
    BrokerUnreachableError,
    CommitFailedError,
    DataFolderError,
    FencedError,
    StoppedError,
)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all shards of a worker share."""

    profile: Callable[[int], ShardProfile]
    runner: StepRunner
    courier: Courier
    threads: Executor
    fail: Callable[[BaseException], None]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Of a shard that has much to do at once."""
    clock: WorkerClock = field(default_factory=WorkerClock)
    turns: Turns = field(default_factory=Turns)


class Shard:
    """Owns one partition from `open` to `close`."""

    def __init__(self, partition: int, durable: DurableShard, surroundings: Surroundings) -> None:
        self.partition = partition
        self._durable = durable
        self._around = surroundings
        self._profile = surroundings.profile(partition)
        self._mailbox = Mailbox()
        self._reading = Reading()
        self._pace = Pace()
        self._telemetry = ShardTelemetry()
        self._backlog = Backlog(self._profile)
        self._parked = ParkedRuns(self._profile)
        self._at_work: asyncio.Future[object] | None = None
        self._clock = surroundings.clock
        self._timers = ShardTimers(self._clock, TimerGate(end=0, opened_at=self._clock.now()))
        self._care = Care(self._clock.now(), worker_lost=False)
        self._suspects = Suspects()
        self._loop: asyncio.Task[None] | None = None
        self._closing = False
        self._draining = False
        self._position = 0
        self._failed: tuple[str, ...] = ()
        self._just_started = False
        self._swept_at = self._clock.now()

    async def open(self) -> None:
        """Fences the former owner, brings the state up to date, and begins to work.

        Raises:
            ShardClosedError: The partition cannot be owned safely.
        """
        opened = await self._in_thread(self._durable.open)
        self._position, self._failed = opened.position, opened.failed
        self._timers = ShardTimers(self._clock, TimerGate(end=opened.log_end, opened_at=self._clock.now()))
        self._care = Care(self._clock.now(), worker_lost=opened.worker_lost)
        store = self._durable.store
        self._parked.tell(await self._in_thread(partial(self._parked.some, store)))
        tables = Tables(store, command_retention=self._profile.command_retention)
        left = partial(orphans, tables, worker_lost=opened.worker_lost, last_seen=opened.last_seen)
        found = await self._in_thread(left)
        self._suspects = found.suspects
        if found.is_watched:
            self._around.turns.wait(self._clock.now())
        self._mailbox.put_taken_over(found.taken_over)
        self._loop = asyncio.create_task(self._run(), name=f"{SHARD}{self.partition}")
        self._loop.add_done_callback(self._ended)

    @property
    def position(self) -> int:
        """The next offset to read."""
        return self._position

    @property
    def readable(self) -> OpenShard:
        """What it has committed, for those who only read."""
        return OpenShard(self._durable.store, self._profile, self._position)

    @property
    def logs(self) -> Logs:
        """The topics that it was opened with."""
        return self._durable.logs

    @property
    def has_room(self) -> bool:
        """Whether the partition may be read."""
        return not self._draining and self._full is None

    @property
    def _full(self) -> str | None:
        """What has no room, by its name in the metrics."""
        if not self._backlog.has_room:
            return "backlog"
        return None if self._mailbox.has_room else "mailbox"

    @property
    def load(self) -> ShardLoad:
        """What waits in it."""
        return ShardLoad(
            self.partition,
            len(self._mailbox),
            len(self._backlog),
            len(self._timers.held),
            lag=max(0, self._timers.gate.end - self._position),
            oldest=self._mailbox.oldest_at,
            pause=self._reading.pause,
        )

    def deliver(self, records: Sequence[CommandRecord]) -> None:
        """Takes over records; those below the position were applied before."""
        self._mailbox.put_commands([record for record in records if record.offset >= self._position])
        self._reading.note(self._full)

    def reached(self, *, up_to: int, end: int) -> None:
        """Learns how far the topic was read."""
        self._timers.gate.reached(up_to=up_to, end=end)
        self._mailbox.wake()

    async def close(self) -> None:
        """Ends the cycle that runs, commits that the shard was closed in order, and lets everything go."""
        self._closing = True
        self._mailbox.wake()
        failed = False
        if self._loop is not None:
            await asyncio.wait({self._loop}, timeout=_LAST_CYCLE.total_seconds())
            if not self._loop.done():
                # A broker that does not answer; whoever owns the partition next finds out what was committed.
                self._durable.stop()
                self._loop.cancel()
                await asyncio.wait({self._loop})
            if self._at_work is not None and not self._at_work.done():
                await asyncio.wait({self._at_work})
            failed = self._loop.cancelled() or self._loop.exception() is not None
        # That a worker was lost is not forgotten while runs of it wait to be taken over.
        is_clean = not failed and not self._mailbox.has_taken_over
        await self._let_go(position=self._position if is_clean else None)

    async def _let_go(self, *, position: int | None) -> None:
        """Closes what is durable; a broker that does not answer is not waited for."""
        closing = asyncio.ensure_future(self._in_thread(partial(self._durable.close, position=position)))
        done, _ = await asyncio.wait({closing}, timeout=_LAST_CYCLE.total_seconds())
        if not done:
            self._durable.stop()
        try:
            await closing
        except StoppedError:
            _logger.warning("partition %d: no broker heard that it was closed in order", self.partition)

    def drain(self) -> None:
        """Begins nothing new; outcomes of running steps are still committed."""
        self._draining = True

    async def _run(self) -> None:
        add_log_fields({"partition": self.partition})
        while True:
            self._work_off()
            self._give_turn(self._clock.now())
            self._reading.note(self._full)
            if self._just_started:
                await _let_prompt_steps_end()
            if not self._closing:
                await asyncio.sleep(self._pace.rest(time.monotonic(), waiting=len(self._mailbox)))
            # Only now: while the shard rested it may have been closed, or the clock set by which it sets timers.
            now, closing = self._clock.now(), self._closing
            sources = self._take(now)
            if sources or (self._is_time_to_look(now) and not closing):
                began = time.monotonic()
                await self._cycle(sources, now=now)
                self._pace.ended(began=began, now=time.monotonic(), inputs=len(sources))
            elif closing:
                return
            else:
                await self._mailbox.wait(self._rest(now).total_seconds())

    def _give_turn(self, now: datetime) -> None:
        """Has some of those begin that may kill the worker, when no others are being watched."""
        if self._suspects and not self._begins_nothing and self._around.turns.take(now):
            self._care = Care(now, worker_lost=True)
            self._mailbox.put_taken_over(self._suspects.turn())

    def _is_time_to_look(self, now: datetime) -> bool:
        """Whether a cycle without inputs is due: for what has expired, or since its commit tells the brokers' time."""
        return abs(now - self._swept_at) > _IDLE or self._clock.needs_observation

    def _take(self, now: datetime) -> list[Source]:
        """The inputs of the next cycle; outcomes alone where nothing new may begin."""
        if self._begins_nothing:
            return self._mailbox.take(MAX_INPUTS, outcomes_only=True)
        # A run's chain of steps ends before its next command, as it does where steps are executed within the cycle.
        careful = self._care.is_needed(now)
        if self._just_started and self._mailbox.has_outcomes:
            return self._mailbox.take(MAX_INPUTS, outcomes_only=True)
        sources = self._mailbox.take(MAX_INPUTS, one_of_a_key=careful)
        self._timers.gate.consumed(_commands_of(sources))
        limit, has_commands = MAX_INPUTS - len(sources), self._mailbox.has_commands
        return [*sources, *self._timers.due(self._durable.store, now, limit=limit, has_commands=has_commands)]

    @property
    def _begins_nothing(self) -> bool:
        return self._draining or self._closing

    async def _cycle(self, sources: Sequence[Source], *, now: datetime) -> None:
        store, runner = self._durable.store, self._around.runner
        fold = not self._begins_nothing and not self._care.is_needed(now)
        batch = Batch()
        self._telemetry.cycle_begins()
        try:
            batch = await run_cycle(
                self._profile,
                store,
                runner,
                sources,
                now=now,
                fold=fold,
                expire=self._clock.check(),
                turn=self._around.turn,
                failed=self._failed,
            )
            sources = batch.taken_of(sources)
            self._put_back(batch.left)
            await self._commit(batch, sources)
        except _NOT_OF_ONE_INPUT:
            raise
        except Exception as error:
            if not sources:
                raise
            if len(sources) > 1:
                # Which input it was is found out one by one; steps that have ended keep their outcomes meanwhile.
                for source in sources:
                    await self._cycle([source], now=now)
                return
            _logger.exception("partition %d: an input cannot be taken in, and is rejected", self.partition)
            self._abandon(batch)
            batch = reject(self._profile, store, runner, sources[0], error=error, now=now, failed=self._failed)
            await self._commit(batch, sources)
        # What follows is of no input: it must not have inputs that are committed taken in again.
        self._after_commit(batch, sources, now=now)

    def _put_back(self, left: Sequence[Source]) -> None:
        """Keeps for the next cycle what this one has left."""
        self._mailbox.put_back(left)
        self._timers.gate.left(_commands_of(left))

    def _abandon(self, batch: Batch) -> None:
        """Lets go of the attempts of a batch that is not committed."""
        for attempt in [*batch.folded, *(attempt for attempt, _ in batch.running)]:
            self._around.runner.stop(attempt)

    def _work_off(self) -> None:
        """Starts attempts that waited for room in the runner."""
        if self._backlog and not self._begins_nothing:
            runner = self._around.runner
            for attempt in self._backlog.take(self._durable.store, has_room_for=runner.has_room_for):
                self._follow(attempt.id, runner.start(attempt))

    def _follow(self, id: AttemptId, future: asyncio.Future[AttemptEnd]) -> None:  # noqa: A002 - the attempt's id
        future.add_done_callback(partial(self._attempt_ended, id))

    async def _commit(self, batch: Batch, sources: Sequence[Source]) -> None:
        commands = _commands_of(sources)
        position = commands[-1].offset + 1 if commands else self._position
        await self._around.courier.forward(batch.forwards)
        self._telemetry.commit_begins()
        applied = Applied(offset=commands[-1].offset, timestamp=commands[-1].timestamp) if commands else None
        await self._in_thread(partial(self._durable.commit, batch, position=position, applied=applied))
        self._position, self._failed = position, batch.failed

    def _after_commit(self, batch: Batch, sources: Sequence[Source], *, now: datetime) -> None:
        self._care.committed(sources)
        # An idle shard goes on at once while there is more to delete.
        self._swept_at = now if not batch.more_expired else now - 2 * _IDLE
        self._timers.held.committed(batch)
        self._parked.tell(batch.parked)
        self._see_to_attempts(batch, sources)
        self._telemetry.committed(batch, inputs=len(sources))

    def _see_to_attempts(self, batch: Batch, sources: Sequence[Source]) -> None:
        """Answers, and lets attempts go, stop and begin as the committed batch says."""
        runner = self._around.runner
        self._around.courier.reply(batch.replies)
        for source in sources:
            if isinstance(source, AttemptEnded):
                runner.forget(source.id)
        for attempt in batch.folded:
            runner.forget(attempt)
        for attempt in batch.stops:
            runner.stop(attempt, at_once=attempt in batch.stops_at_once)
        for id, future in batch.running:  # noqa: A001 - the attempt's id
            self._follow(id, future)
        # What may not begin any more is begun by whoever owns the partition next.
        self._just_started = bool(batch.to_start)
        if not self._begins_nothing:
            self._backlog.add(batch.to_start)
            self._work_off()

    def _attempt_ended(self, id: AttemptId, future: asyncio.Future[AttemptEnd]) -> None:  # noqa: A002 - as above
        """Takes an outcome in; one that comes after the close waits in the runner for the shard's return."""
        if not future.cancelled() and not self._closing:
            self._mailbox.put_outcome(AttemptEnded(id, future.result()))

    def _rest(self, now: datetime) -> timedelta:
        """How long the shard may sleep if nothing comes in."""
        if self._backlog:  # nobody tells when the runner has room again
            return _BUSY
        rests = [_IDLE, self._timers.rest(self._durable.store, now) or _IDLE]
        if self._suspects:
            rests.append(self._around.turns.rest(now))
        return min(rests)

    def _ended(self, loop: asyncio.Task[None]) -> None:
        if loop.cancelled():
            error: BaseException | None = EngineError(f"partition {self.partition}: its loop was cancelled by a step")
        else:
            error = loop.exception()
        if error is not None and not (self._closing and (loop.cancelled() or isinstance(error, StoppedError))):
            self._around.fail(error)

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """Does blocking work; it goes on when whoever waits for it is cancelled."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._around.threads, work)
        except RuntimeError as error:
            # No thread: yet the work is queued, and may be done by another one, so that no input may be tried again.
            unknown = f"partition {self.partition}: no thread takes its work ({error}): the worker must exit"
            raise exhaustion_of(error) or CommitFailedError(unknown) from error
        # Whoever waits for it may have gone by the time it fails.
        future.add_done_callback(_take_note)
        self._at_work = cast("asyncio.Future[object]", future)
        return await asyncio.shield(future)


def _take_note(future: asyncio.Future[ResultT]) -> None:
    """Looks at the error, which asyncio would otherwise complain of."""
    if not future.cancelled():
        future.exception()


async def _let_prompt_steps_end() -> None:
    """Gives started steps their first turn, and those that end in it time to tell it."""
    for _ in range(3):
        await asyncio.sleep(0)


def _commands_of(sources: Sequence[Source]) -> list[CommandRecord]:
    return [source for source in sources if isinstance(source, CommandRecord)]
