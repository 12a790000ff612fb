"""The partition of a simulator: what is durable of it, and the worker that may be lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.state import State
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.care import Care, orphans
from hephaestus_stream.cycle.cycle import run_cycle
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.held_timers import HeldTimers
from hephaestus_stream.cycle.index import INSTANCES
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.record import decode_state
from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, Source, TakenOver, TimerDue
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.command import sealed
from hephaestus_stream.testing.clock import VirtualClock
from hephaestus_stream.testing.runner import EVEN_JITTER, SimulatedRunner
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.headers import REPLY_PARTITION
from hephaestus_stream.wire.output import HistoryRecord, Reply
from hephaestus_stream.wire.topics import Topics

_PAGE: Final = 1_000
_TOPICS: Final = Topics("simulated")


class SimulatedShard:
    """Does what the worker's shard does, but commits to memory, and crashes where it is told to.

    Args:
        clock: The time of all transitions.
        runner: Executes the steps.
        fold: Whether steps are executed within the cycle that asks for them, as far as that goes.
        cipher: Encrypts as worker and client do.

    Attributes:
        states: The last committed record of each run, by key and run; kept when the worker has forgotten it.
        history: What was published of each run.
        replies: The answers to commands that nobody has taken yet, by the command's id.
        commits: How many cycles were committed.
        crashes: How many workers were lost.
        crash_before: The commits, counted from 1, before which the worker is to be lost.
        crash_after: The commits after which it is.
    """

    def __init__(self, clock: VirtualClock, runner: SimulatedRunner, *, fold: bool, cipher: Cipher) -> None:
        self._clock = clock
        self._runner = runner
        self._fold = fold
        self._store = MemoryStore()
        self._workflows: list[type[Workflow[Any]]] = []
        self._cipher = cipher
        self._profile = _profile(self._workflows, cipher)
        self._offset = 0
        self._commands: list[CommandRecord] = []
        self._taken_over: list[TakenOver] = []
        self._held = HeldTimers()
        self._care = Care(clock.now, worker_lost=False)
        self.states: dict[tuple[str, str], State] = {}
        self.history: dict[tuple[str, str], list[HistoryRecord]] = defaultdict(list)
        self.replies: dict[str, Reply] = {}
        self.commits = 0
        self.crashes = 0
        self.crash_before: set[int] = set()
        self.crash_after: set[int] = set()

    @property
    def catalog(self) -> Catalog:
        """The workflows that the worker has."""
        return self._profile.catalog

    def add(self, workflow: type[Workflow[Any]]) -> None:
        """Gives the worker a workflow; runs of it that were parked for lack of it go on.

        Raises:
            DuplicateWorkflowError: It has another class of that name and version.
        """
        if workflow in self._workflows:
            return
        found = [run for run in orphans(self._tables(), worker_lost=False).taken_over if self._is_parked(run)]
        self._profile = _profile([*self._workflows, workflow], self._cipher)
        self._workflows.append(workflow)
        self._taken_over += [run for run in found if not self._is_parked(run)]
        self._held.clear()

    async def deploy(self, workflows: Iterable[type[Workflow[Any]]]) -> None:
        """The worker is closed in order, and one takes over that has these workflows.

        Raises:
            DuplicateWorkflowError: Two of them have the same name and version.
        """
        workflows = list(workflows)
        self._profile = _profile(workflows, self._cipher)
        self._workflows = workflows
        await self._runner.lose_all()
        self._held.clear()
        self._take_over(worker_lost=False)

    def append(self, command: Command) -> None:
        """Publishes a command that asks for an answer."""
        value, headers = encode_command(sealed(command, self._cipher)), ((REPLY_PARTITION, b"0"),)
        self._commands.append(CommandRecord(self._offset, 0, command.key.encode(), value, headers))
        self._offset += 1

    def why_parked(self, state: State) -> str | None:
        """Why a run stands still; None where it does not."""
        return self._profile.why_parked(state) if state.is_live else None

    @property
    def next_timer(self) -> datetime | None:
        """When the next timer is due that the worker can fire."""
        due = self._held.due(self._tables(), datetime.max.replace(tzinfo=self._clock.now.tzinfo), limit=1)
        return due[0].due_at if due else None

    async def work(self) -> None:
        """Cycles until nothing is left to do without time passing."""
        while True:
            sources = self._take()
            if sources:
                await self._cycle(sources)
            elif not await self._runner.settle():
                return

    async def sweep(self) -> None:
        """Deletes what is kept no longer, as an idle shard does."""
        more = True
        while more:
            batch = await run_cycle(self._profile, self._store, self._runner, [], now=self._clock.now)
            more = batch.more_expired
            self._store.write(batch.changes)

    async def crash(self) -> None:
        """The worker is lost with what it has not committed, and a new one takes over."""
        self.crashes += 1
        await self._runner.lose_all()
        self._held.clear()
        # What killed it may be one of its steps: for a while none begins before a commit tells of it.
        self._care = Care(self._clock.now, worker_lost=True)
        # Commands that were not committed are read again, since they are still here.
        self._take_over(worker_lost=True)

    def _take_over(self, *, worker_lost: bool) -> None:
        """As a worker does, but no time passes between the turns of those that may have killed it."""
        found = orphans(self._tables(), worker_lost=worker_lost)
        self._taken_over = found.taken_over
        while found.suspects:
            self._taken_over += found.suspects.turn()

    def _is_parked(self, run: TakenOver) -> bool:
        state = self._tables().state(run.key, run.run)
        return state is not None and self.why_parked(state) is not None

    def _take(self) -> list[Source]:
        """The inputs of the next cycle, in the worker's order; one alone where each step has a commit of its own."""
        due = self._held.due(self._tables(), self._clock.now, limit=_PAGE)
        timers = [TimerDue(timer, EVEN_JITTER) for timer in due]
        sources: list[Source] = [*self._runner.ended(), *self._taken_over, *self._commands, *timers]
        return sources if self._folds else sources[:1]

    @property
    def _folds(self) -> bool:
        return self._fold and not self._care.is_needed(self._clock.now)

    async def _cycle(self, sources: Sequence[Source]) -> None:
        now = self._clock.now
        batch = await run_cycle(self._profile, self._store, self._runner, sources, now=now, fold=self._folds)
        sources = batch.taken_of(sources)
        commit = self.commits + 1
        if commit in self.crash_before:
            self.crash_before.remove(commit)
            await self.crash()
            return
        self._commit(batch, sources)
        if commit in self.crash_after:
            self.crash_after.remove(commit)
            await self.crash()
            return
        self._after_commit(batch, sources)

    def _commit(self, batch: Batch, sources: Sequence[Source]) -> None:
        self._store.write(batch.changes)
        for place, value in batch.changes.items():
            if place.startswith(INSTANCES) and value is not None:
                state = decode_state(value)
                self.states[state.key, state.run] = state
        for record in batch.outputs:
            if record.topic == _TOPICS.history and record.value is not None:
                event = HistoryRecord.from_bytes(record.value)
                self.history[event.key, event.run].append(event)
        self._commands = [command for command in self._commands if command not in sources]
        self.commits += 1

    def _after_commit(self, batch: Batch, sources: Sequence[Source]) -> None:
        for reply in batch.replies:
            self.replies[reply.id] = Reply.from_bytes(reply.value)
        self._taken_over = [run for run in self._taken_over if run not in sources]
        self._care.committed(sources)
        self._held.committed(batch)
        for source in sources:
            if isinstance(source, AttemptEnded):
                self._runner.forget(source.id)
        for ended in batch.folded:
            self._runner.forget(ended)
        for stopped in batch.stops:
            self._runner.stop(stopped)
        for attempt in batch.to_start:
            self._runner.start(attempt)

    def _tables(self) -> Tables:
        return Tables(self._store, command_retention=timedelta(0))


def _profile(workflows: Iterable[type[Workflow[Any]]], cipher: Cipher) -> ShardProfile:
    return ShardProfile(
        partition=0,
        partitions=1,
        topics=_TOPICS,
        catalog=Catalog(workflows),
        jitter=lambda: EVEN_JITTER,
        cipher=cipher,
    )
