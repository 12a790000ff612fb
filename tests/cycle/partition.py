"""One partition without Kafka: commands go in, a cycle runs, its batch is committed into memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hephaestus_stream import Workflow
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.care import orphans
from hephaestus_stream.cycle.cycle import run_cycle
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, Source, TimerDue
from hephaestus_stream.cycle.suspects import Suspects
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.runtime.steps.runner import StepRunner
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.output import HistoryRecord, Reply
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics
from tests.cycle.flows import ALL

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS = Topics("cycles")
ASKS = (("reply_partition", b"0"),)
COMMAND_RETENTION = timedelta(days=1)


class Partition:
    """The whole life of one partition.

    Attributes:
        now: The time of the next cycle; it stands still unless it is moved.
        outputs: Everything that was ever published.
        suspects: What waits for its turn since the last takeover.
    """

    def __init__(
        self,
        workflows: Iterable[type[Workflow[Any]]] = ALL,
        *,
        number: int = 0,
        partitions: int = 1,
        cipher: Cipher = NO_KEYS,
    ) -> None:
        self.now = BEGIN
        self.store = MemoryStore()
        self.suspects = Suspects()
        self.runner = StepRunner(concurrency=100, threads=4)
        self.outputs: list[OutputRecord] = []
        self.shard = ShardProfile(
            partition=number,
            partitions=partitions,
            topics=TOPICS,
            catalog=Catalog(workflows),
            jitter=lambda: 0.5,
            command_retention=COMMAND_RETENTION,
            cipher=cipher,
        )
        self._offsets = itertools.count()

    def under(self, *workflows: type[Workflow[Any]], cipher: Cipher = NO_KEYS) -> Partition:
        """The same partition under another worker, which has these workflows and keys."""
        heir = Partition(workflows, cipher=cipher)
        heir.store, heir.now, heir.outputs, heir._offsets = self.store, self.now, self.outputs, self._offsets
        return heir

    async def cycle(self, *sources: Source, fold: bool = True) -> Batch:
        """Runs one cycle and commits it, as a shard does."""
        batch = await run_cycle(self.shard, self.store, self.runner, sources, now=self.now, fold=fold)
        self.store.write(batch.changes)
        self.outputs += batch.outputs
        for source in batch.taken_of(sources):
            if isinstance(source, AttemptEnded):
                self.runner.forget(source.id)
        for attempt in batch.folded:
            self.runner.forget(attempt)
        for attempt in batch.stops:
            self.runner.stop(attempt)
        batch.running += [(attempt.id, self.runner.start(attempt)) for attempt in batch.to_start]
        return batch

    def record(
        self, command: Command | bytes | None, *, headers: Sequence[tuple[str, bytes]] = ASKS, key: bytes | None = None
    ) -> CommandRecord:
        """A command as it lies in the topic."""
        value = command if isinstance(command, bytes | None) else encode_command(command)
        own_key = key if isinstance(command, bytes | None) else command.key.encode()
        return CommandRecord(next(self._offsets), 0, own_key, value, tuple(headers))

    async def send(self, *commands: Command | bytes) -> list[Reply]:
        """Takes commands in one cycle; returns the answers in their order."""
        return replies(await self.cycle(*(self.record(command) for command in commands)))

    async def finish(self, batch: Batch) -> list[Batch]:
        """Runs cycles until no attempt is being executed."""
        batches: list[Batch] = []
        while batch.running:
            ended = [AttemptEnded(attempt, await future) for attempt, future in batch.running if not future.cancelled()]
            batch = await self.cycle(*ended)
            batches.append(batch)
        return batches

    async def skip(self, time: timedelta) -> Batch:
        """Lets time pass, and takes the timers that are due then."""
        self.now += time
        due = Tables(self.store, command_retention=COMMAND_RETENTION).due_timers(self.now, limit=1_000)
        return await self.cycle(*(TimerDue(timer, 0.5) for timer in due))

    async def take_over(self, *, worker_lost: bool, last_seen: datetime | None = None) -> Batch:
        """Takes up what was being executed, as a shard that has just been opened does, and gives the first turn."""
        tables = Tables(self.store, command_retention=COMMAND_RETENTION)
        found = orphans(tables, worker_lost=worker_lost, last_seen=last_seen)
        self.suspects = found.suspects
        turn = [] if found.is_watched else self.suspects.turn()
        return await self.cycle(*found.taken_over, *turn, fold=not worker_lost)

    def state(self, key: str, run: str) -> State:
        found = Tables(self.store, command_retention=COMMAND_RETENTION).state(key, run)
        assert found is not None
        return found

    def history(self, run: str) -> list[HistoryRecord]:
        """What the topic tells of a run."""
        records = [HistoryRecord.from_bytes(value) for value in self.published(TOPICS.history)]
        return [record for record in records if record.run == run]

    def told(self, run: str) -> list[tuple[str, str | None]]:
        """The history as types and nodes."""
        return [(record.type, record.node) for record in self.history(run)]

    def kept_history(self, run: str) -> list[int]:
        """The sequences of a run in the table of histories."""
        records = [value for key, value in self.store.scan(b"h", limit=10_000) if f"\0{run}\0".encode() in key]
        return [event["sequence"] for record in records for event in json.loads(record)]

    def published(self, topic: str) -> list[bytes]:
        return [record.value or b"" for record in self.outputs if record.topic == topic]

    def dead_letters(self) -> list[tuple[bytes | None, bytes | None, DeadLetter]]:
        return [
            (record.key, record.value, DeadLetter.from_headers(record.headers))
            for record in self.outputs
            if record.topic == TOPICS.dead_letters
        ]

    def tables(self) -> str:
        """The letter of each entry, in order: `iikt` are two instances, a key and a timer.

        What instances are found by is left out, unless there is none.
        """
        letters = "".join(chr(key[0]) for key, _ in self.store.scan(b"", limit=100_000))
        return letters.translate(dict.fromkeys(map(ord, "GMNQSW"))) if "i" in letters else letters


def replies(batch: Batch) -> list[Reply]:
    """The answers of a batch."""
    return [Reply.from_bytes(reply.value) for reply in batch.replies]
