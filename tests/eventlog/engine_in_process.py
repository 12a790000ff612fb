"""The worker's engine and cycle over a store in memory, for whole logs: as the Simulator, for commands of any kind."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId, Kind
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.cycle import run_cycle
from hephaestus_stream.cycle.execute import execute
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.headers import REPLY_PARTITION
from hephaestus_stream.wire.output import CompletionRecord, Reply
from hephaestus_stream.wire.topics import Topics

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CYCLE = 200


class EngineInProcess:
    """Answers what was submitted, in cycles of up to 200 commands, once the loop comes to it.

    Attributes:
        ends: Completions by status.
        most_unanswered: The most commands that were without an answer at a time.
    """

    def __init__(self, workflow: type[Workflow[Any]]) -> None:
        self.ends: Counter[str] = Counter()
        self.most_unanswered = 0
        self._shard = ShardProfile(
            partition=0,
            partitions=1,
            topics=Topics("test"),
            catalog=Catalog([workflow]),
            jitter=lambda: 0.5,
            command_retention=timedelta(days=7),
        )
        self._store = MemoryStore()
        self._offset = 0
        self._inbox: list[CommandRecord] = []
        self._asked: dict[str, asyncio.Future[Reply]] = {}
        self._task: asyncio.Task[None] | None = None

    def submit(self, command: Command) -> asyncio.Future[Reply]:
        headers = ((REPLY_PARTITION, b"0"),)
        self._inbox.append(CommandRecord(self._offset, 0, command.key.encode(), encode_command(command), headers))
        self._offset += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[command.id] = future
        self.most_unanswered = max(self.most_unanswered, len(self._asked))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return future

    async def _work(self) -> None:
        while self._inbox:
            taken, self._inbox = self._inbox[:CYCLE], self._inbox[CYCLE:]
            batch = await run_cycle(self._shard, self._store, _Runner(), taken, now=NOW)
            assert not batch.running, "a step of this workflow waits for something"
            assert not batch.left
            self._commit(batch)

    def _commit(self, batch: Batch) -> None:
        self._store.write(batch.changes)
        for record in batch.outputs:
            if record.topic == self._shard.topics.completions and record.value is not None:
                self.ends[CompletionRecord.from_bytes(record.value).status] += 1
            assert record.topic != self._shard.topics.dead_letters
        for reply in batch.replies:
            self._asked.pop(reply.id).set_result(Reply.from_bytes(reply.value))


class _Runner:
    def start(self, attempt: Attempt) -> asyncio.Future[AttemptEnd]:
        return asyncio.create_task(execute(attempt, executor=None, jitter=lambda: 0.5))

    def has_room_for(self, kind: Kind) -> bool:
        return True

    def is_running(self, attempt: AttemptId) -> bool:
        return False

    def stop(self, attempt: AttemptId) -> None: ...
