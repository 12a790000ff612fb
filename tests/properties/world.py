"""A partition and everything around it: its topic, its store, its worker, and what gets lost with that."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta

from hephaestus_stream import Workflow
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.care import orphans
from hephaestus_stream.cycle.cycle import run_cycle
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, Source, TimerDue
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics
from tests.properties.driver import BEGIN
from tests.properties.held_runner import JITTER, HeldRunner

TOPICS = Topics("random")
RETENTION = timedelta(days=7)


class World:
    """Whatever is committed outlives each crash; nothing else does.

    Attributes:
        topic: The commands topic.
        position: How many of its records are committed.
        strays: Outcomes of former lives that arrive with the next cycle.
        replies: All that were sent, by command.
        is_lost: Whether nobody has taken the partition over since its worker went.
    """

    def __init__(self, workflow: type[Workflow[dict[str, int]]]) -> None:
        self.now = BEGIN
        self.topic: list[CommandRecord] = []
        self.position = 0
        self.strays: list[AttemptEnded] = []
        self.outputs: list[OutputRecord] = []
        self.replies: dict[str, list[Reply]] = defaultdict(list)
        self.is_lost = False
        self.store = MemoryStore()
        self.shard = ShardProfile(0, 1, TOPICS, Catalog([workflow]), lambda: JITTER, RETENTION)
        self._loop = asyncio.new_event_loop()
        self.at_once: Callable[[Attempt], AttemptEnd | None] = lambda _: None
        self.runner = self._new_runner()

    def close(self) -> None:
        self._loop.close()

    def tables(self) -> Tables:
        return Tables(self.store, command_retention=RETENTION)

    def publish(self, command: Command | bytes) -> None:
        key, value = (None, command) if isinstance(command, bytes) else (command.key.encode(), encode_command(command))
        self.topic.append(CommandRecord(len(self.topic), 0, key, value, (("reply_partition", b"0"),)))

    def cycle(self, records: int, *, crashes: bool = False) -> None:
        """Takes in what there is, and of the topic so many records."""
        taken = self.topic[self.position : self.position + records]
        ended = [AttemptEnded(attempt, end) for attempt, end in self.runner.finished().items()]
        due = [TimerDue(timer, JITTER) for timer in self.tables().due_timers(self.now, limit=1_000)]
        strays, self.strays = self.strays, []
        batch = self._run([*strays, *ended, *due, *taken], fold=True)
        if crashes:
            self.crash()
        else:
            self._commit(batch, ended)
            self.position += len(taken)

    def crash(self) -> None:
        """What was not committed is lost, with everything that was being executed."""
        self.runner = self._new_runner()
        self.is_lost = True

    def take_over(self, *, worker_lost: bool, crashes: bool = False) -> None:
        """Another worker takes up what the former one was executing; all turns come at once."""
        found = orphans(self.tables(), worker_lost=worker_lost)
        sources: list[Source] = [*found.taken_over]
        while found.suspects:
            sources += found.suspects.turn()
        batch = self._run(sources, fold=not worker_lost)
        if crashes:
            self.crash()
        else:
            self._commit(batch, [])
            self.is_lost = False

    def _new_runner(self) -> HeldRunner:
        return HeldRunner(self._loop, self._ends_at_once)

    def _ends_at_once(self, attempt: Attempt) -> AttemptEnd | None:
        return self.at_once(attempt)

    def _run(self, sources: Sequence[Source], *, fold: bool) -> Batch:
        return self._loop.run_until_complete(
            run_cycle(self.shard, self.store, self.runner, sources, now=self.now, fold=fold)
        )

    def _commit(self, batch: Batch, ended: list[AttemptEnded]) -> None:
        self.store.write(batch.changes)
        self.outputs += batch.outputs
        for source in ended:
            self.runner.forget(source.id)
        for attempt in batch.folded:
            self.runner.forget(attempt)
        for attempt in batch.stops:
            self.runner.stop(attempt)
        for begun in batch.to_start:
            self.runner.start(begun)
        for reply in batch.replies:
            self.replies[reply.id].append(Reply.from_bytes(reply.value))
