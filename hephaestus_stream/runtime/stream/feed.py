"""Which partitions are read right now, and whether a chunk still belongs to the assignment it was read for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import PositionLostError, ShardClosedError
from hephaestus_stream.runtime.stream.ownership import Shards

KEEP_ALIVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one fetch brought for one partition: Faust's cost per message is paid once for all of it.

    Attributes:
        epoch: The assignment it was read for; a chunk of an earlier one is dropped.
        partition: Where the records come from.
        records: In the order of their offsets; empty when only the progress changed.
        up_to: Every record below this offset was read.
        end: The end of the log as the broker last told it, open transactions left out.
    """

    epoch: int
    partition: int
    records: tuple[CommandRecord, ...]
    up_to: int
    end: int


class Feed:
    """The state machine between the rebalances of Faust and the shards.

    The epoch grows with every revocation and every assignment, so that whatever is still on its way through buffers,
    threads and queues can be told from what belongs to the present owner.
    """

    def __init__(self, shards: Shards) -> None:
        self.epoch = 0
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None
        self._shards = shards
        self._announced: tuple[frozenset[int], frozenset[int]] | None = None
        self._assigned: frozenset[int] = frozenset()
        self._opening: asyncio.Task[None] | None = None
        self._open: frozenset[int] = frozenset()
        self._held = False
        self._revoking = asyncio.Lock()
        self._on_the_way = 0
        self._arrived = asyncio.Event()
        self._arrived.set()

    def fail(self, error: BaseException) -> None:
        """Keep the first error for `run` to raise, and read nothing more."""
        if self.failure is None:
            self.failure = error
        self._open = frozenset()
        self._forget_what_is_on_the_way()
        self.failed.set()

    def close(self, epoch: int, error: PositionLostError) -> None:
        """Read one partition no more, and have its shard closed; the others go on."""
        if epoch == self.epoch and error.partition in self._open:
            # Nothing is on its way to it: all that was fetched has arrived before more is.
            self._open -= {error.partition}
            self._shards.close(error.partition, error)

    def announce(self, partitions: frozenset[int], standbys: frozenset[int] = frozenset()) -> None:
        """Remember what the group assigned, until the shards can be opened or it is revoked again."""
        self._announced = partitions, standbys

    async def assign(self, *, keep_alive: Callable[[], Awaitable[None]]) -> None:
        """Let the shards open the partitions that were announced; meanwhile the group hears that this member lives.

        A replay may take longer than the longest time that a consumer may go without reading.
        """
        announced, self._announced = self._announced, None
        if announced is None or self.failure is not None:
            return
        partitions, standbys = announced
        self.epoch += 1
        self._held = True
        self._assigned = partitions
        opening = self._opening = asyncio.create_task(self._shards.assign(partitions, standbys), name="open shards")
        while not (await asyncio.wait({opening}, timeout=KEEP_ALIVE_SECONDS))[0]:
            await keep_alive()
        self._check(opening)

    def starting_points(self) -> tuple[int, Mapping[int, int]]:
        """The epoch, and where each open partition starts; nothing when the assignment is gone or has failed."""
        if not self._held or self.failure is not None or self._opening is None or not self._opening.done():
            return self.epoch, {}
        return self.epoch, self._positions()

    def start(self, epoch: int, partitions: frozenset[int]) -> None:
        """Read these partitions from now on, unless they were revoked while the consumer was seeking."""
        if epoch == self.epoch and self._held and self.failure is None:
            self._open = partitions

    def wanted(self) -> tuple[frozenset[int], bool]:
        """The partitions to read now, and whether that is all of the open ones."""
        accepting = frozenset(partition for partition in self._open if self._shards.accepts(partition))
        return accepting, accepting == self._open

    def take(self, chunk: Chunk) -> bool:
        """Count a chunk as on its way to its shard; False when it is stale and has to be dropped."""
        if chunk.epoch != self.epoch or chunk.partition not in self._open:
            return False
        self._on_the_way += 1
        self._arrived.clear()
        return True

    def deliver(self, chunk: Chunk) -> None:
        """Hand a chunk over to its shard, unless it became stale in a queue."""
        if chunk.epoch != self.epoch or chunk.partition not in self._open:
            return
        if chunk.records:
            self._shards.deliver(chunk.partition, chunk.records)
        self._shards.reached(chunk.partition, up_to=chunk.up_to, end=chunk.end)
        self._on_the_way -= 1
        if self._on_the_way == 0:
            self._arrived.set()

    async def everything_arrived(self) -> None:
        """Wait until nothing is on its way, so that `accepts` speaks of all that was read."""
        await self._arrived.wait()

    def positions(self) -> Mapping[int, int]:
        """The positions of the partitions that are being read: the advisory offsets of the group."""
        return self._positions() if self._open else {}

    async def revoke(self) -> Mapping[int, int]:
        """Let the shards close everything, once for each assignment; return their last positions."""
        self.epoch += 1
        self._announced = None
        before = self._positions()
        self._open = frozenset()
        self._forget_what_is_on_the_way()
        async with self._revoking:
            if not self._held:
                return {}
            try:
                await self._shards.revoke()
            except Exception as error:  # noqa: BLE001 - any error of the owner ends the worker; Faust would only log it
                self.fail(error)
            if self._opening is not None:
                await asyncio.wait({self._opening})
                self._check(self._opening)
            after = self._positions()
            self._held = False
            return {**before, **after}

    def _check(self, opening: asyncio.Task[None]) -> None:
        if opening.cancelled():
            self.fail(ShardClosedError(f"opening the partitions {sorted(self._assigned)} was cancelled from inside"))
        elif (error := opening.exception()) is not None:
            self.fail(error)

    def _positions(self) -> dict[int, int]:
        try:
            found = {partition: self._shards.position(partition) for partition in sorted(self._assigned)}
        except Exception as error:  # noqa: BLE001 - as in `revoke`
            self.fail(error)
            return {}
        return {partition: position for partition, position in found.items() if position is not None}

    def _forget_what_is_on_the_way(self) -> None:
        self._on_the_way = 0
        self._arrived.set()
