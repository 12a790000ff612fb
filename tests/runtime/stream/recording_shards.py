"""Shards in memory that note everything; run as a program, a worker with such shards.

`recording_shards.py BOOTSTRAP NAMESPACE DATA` writes one line of JSON for each assignment and revocation, and stops
gracefully when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import ShardClosedError
from hephaestus_stream.runtime.stream.app import build_app, run
from hephaestus_stream.wire.connection import Connection

# The shortest that a broker allows unless told otherwise.
SESSION_TIMEOUT = {"session.timeout.ms": "6000"}


@dataclass
class RecordingShards:
    """Shards that keep everything in memory, and note each call that breaks the protocol.

    Attributes:
        positions: Where each partition stands; survives a revocation, like a database.
        closed: Partitions that cannot be opened, or were closed since.
        full: Partitions whose mailbox has no room.
        contiguous: Whether a gap between offsets breaks the protocol; transactions leave some.
        rewind: By how much each assignment goes back, so that a record of an earlier one is seen as misplaced.
    """

    positions: dict[int, int] = field(default_factory=dict[int, int])
    closed: set[int] = field(default_factory=set[int])
    full: set[int] = field(default_factory=set[int])
    rewind: int = 0
    owned: frozenset[int] = frozenset()
    standbys: frozenset[int] = frozenset()
    assignments: list[frozenset[int]] = field(default_factory=list[frozenset[int]])
    revocations: int = 0
    delivered: dict[int, list[CommandRecord]] = field(default_factory=dict[int, list[CommandRecord]])
    ends: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    reasons: dict[int, str] = field(default_factory=dict[int, str])
    contiguous: bool = True
    violations: list[str] = field(default_factory=list[str])

    async def assign(self, partitions: frozenset[int], standbys: frozenset[int]) -> None:
        if self.owned:
            self.violations.append(f"assigned {partitions} before {self.owned} were revoked")
        for partition in partitions:
            self.positions[partition] = max(0, self.positions.get(partition, 0) - self.rewind)
        await asyncio.sleep(0)
        self.owned, self.standbys = partitions, standbys
        self.assignments.append(partitions)

    def position(self, partition: int) -> int | None:
        return None if partition in self.closed else self.positions.get(partition)

    def accepts(self, partition: int) -> bool:
        return partition not in self.full

    def deliver(self, partition: int, records: Sequence[CommandRecord]) -> None:
        offsets = [record.offset for record in records]
        expected = self.positions.get(partition, 0)
        if partition not in self.owned or partition in self.closed or partition in self.full:
            self.violations.append(f"partition {partition} may not be read, but got {offsets}")
        elif self.contiguous and offsets != list(range(expected, expected + len(offsets))):
            self.violations.append(f"partition {partition} stands at {expected}, but got {offsets}")
        self.positions[partition] = offsets[-1] + 1
        self.delivered.setdefault(partition, []).extend(records)

    def reached(self, partition: int, *, up_to: int, end: int) -> None:
        self.ends[partition] = (up_to, end)

    def close(self, partition: int, error: ShardClosedError) -> None:
        self.closed.add(partition)
        self.reasons[partition] = str(error)

    async def revoke(self) -> None:
        self.owned = frozenset()
        await asyncio.sleep(0)
        self.revocations += 1

    def total(self) -> int:
        return sum(map(len, self.delivered.values()))

    def has(self, total: int) -> bool:
        return self.total() == total

    def has_at_least(self, total: int) -> bool:
        return self.total() >= total


def commands(connection: Connection) -> str:
    return f"{connection.namespace}.commands"


@dataclass
class TellingShards(RecordingShards):
    """The shards of the other worker: they tell the test what they are asked."""

    async def assign(self, partitions: frozenset[int], standbys: frozenset[int]) -> None:
        await super().assign(partitions, standbys)
        self._tell("assign", partitions=sorted(partitions), standbys=sorted(standbys))

    async def revoke(self) -> None:
        await super().revoke()
        self._tell("revoke")

    def _tell(self, event: str, **what: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **what}) + "\n")
        sys.stdout.flush()


async def main(bootstrap: str, namespace: str, data: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    connection = Connection(bootstrap, namespace, SESSION_TIMEOUT)
    shards = TellingShards()
    await run(build_app(connection=connection, topic=commands(connection), shards=shards, data=Path(data)), stop)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
