"""The shards of one worker: opened, fed and closed as the group assigns them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from hephaestus_stream.cycle.attempt import AttemptId
from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import EngineBrokenError, HephaestusError, ShardClosedError, StoppedError
from hephaestus_stream.runtime.changelog.logs import Logs
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.standbys import Standbys
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.health import WorkerHealth
from hephaestus_stream.runtime.queries.owned import OpenShard
from hephaestus_stream.runtime.shard import Shard, Surroundings
from hephaestus_stream.telemetry.gauges import ShardLoad
from hephaestus_stream.wire.cluster import PartitionView
from hephaestus_stream.wire.instance import Unavailable
from hephaestus_stream.wire.partition import partition_for

_logger = logging.getLogger(__name__)

_OF_ONE_PARTITION: Final = (EngineBrokenError, ShardClosedError)
"""Whoever owns the partition meets these: ended by them, no worker would be left."""


class OwnedShards:
    """What the stream drives; see `ownership.Shards` for what each method must do.

    Args:
        origin: Where state comes from.
        surroundings: What the shards share.
        standbys: The copies of other workers' partitions.
        partitions: How many partitions there are in all.
        on_ready: Told the open partitions after each assignment.
    """

    def __init__(
        self,
        origin: Origin,
        surroundings: Surroundings,
        *,
        standbys: Standbys,
        partitions: int,
        on_ready: Callable[[Sequence[int]], None],
    ) -> None:
        self._origin = origin
        self._surroundings = surroundings
        self._standbys = standbys
        self._partitions = partitions
        self._on_ready = on_ready
        self._opening: dict[int, DurableShard] = {}
        self._shards: dict[int, Shard] = {}
        self._last_positions: dict[int, int] = {}
        self._closed: dict[int, str] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._joined = False
        self._epoch = 0
        self._draining = False

    async def assign(self, partitions: frozenset[int], standbys: frozenset[int]) -> None:
        """Opens these partitions side by side; one that cannot be owned safely stays closed."""
        epoch, self._last_positions, self._closed = self._epoch, {}, {}
        self._surroundings.runner.stop_all_but(lambda attempt: self._partition_of(attempt) in partitions)
        # A database is open once: what was a standby's so far is now the shard's, which replays the rest.
        await asyncio.to_thread(self._standbys.let_go, partitions)
        replayed = await asyncio.gather(*(self._open(partition, epoch) for partition in sorted(partitions)))
        self._joined = epoch == self._epoch
        if self._joined:
            # Only now, since a takeover has the machine for itself.
            self._standbys.follow(standbys - partitions)
            _logger.info("replayed %d records of the changelog for %d partitions", sum(replayed), len(partitions))
        self._on_ready(sorted(self._shards))

    def position(self, partition: int) -> int | None:
        """The next offset to read."""
        shard = self._shards.get(partition)
        return self._last_positions.get(partition) if shard is None else shard.position

    def accepts(self, partition: int) -> bool:
        """Whether the mailbox has room."""
        shard = self._shards.get(partition)
        return shard is not None and shard.has_room

    def deliver(self, partition: int, records: Sequence[CommandRecord]) -> None:
        """Hands records to their shard; one that has closed itself meanwhile reads them again when it opens."""
        shard = self._shards.get(partition)
        if shard is not None:
            shard.deliver(records)

    def reached(self, partition: int, *, up_to: int, end: int) -> None:
        """Tells a shard how far its partition was read."""
        shard = self._shards.get(partition)
        if shard is not None:
            shard.reached(up_to=up_to, end=end)

    def logs(self) -> dict[int, Logs]:
        """The topics that the open shards were opened with."""
        return {partition: shard.logs for partition, shard in self._shards.items()}

    def loads(self) -> list[ShardLoad]:
        """What waits in the open shards."""
        return [shard.load for shard in tuple(self._shards.values())]

    def unreplayed(self) -> dict[int, int]:
        """What the shards that open have before them, by partition."""
        return {
            partition: max(durable.replay.end - durable.replay.reached, 0)
            for partition, durable in tuple(self._opening.items())
        }

    def readable(self, partition: int) -> OpenShard | Unavailable:
        """A shard that can be read, or why there is none."""
        shard = self._shards.get(partition)
        if shard is not None:
            return shard.readable
        if partition in self._closed:
            return Unavailable(partition=partition, reason="closed", message=self._closed[partition])
        durable = self._opening.get(partition)
        if durable is not None:
            reached, end = durable.replay.reached, durable.replay.end
            message = f"its owner has replayed {reached} of {end} records"
            return Unavailable(partition=partition, reason="opening", message=message)
        message = "this worker does not own it"
        return Unavailable(partition=partition, reason="no_owner", message=message)

    def view(self, partition: int, *, owner: str) -> PartitionView:
        """How a partition is that the group has given to this worker."""
        shard, durable = self._shards.get(partition), self._opening.get(partition)
        if shard is not None:
            load = shard.load
            position = shard.position
            return PartitionView(partition=partition, owner=owner, state="open", position=position, lag=load.lag)
        if partition in self._closed:
            why = self._closed[partition]
            return PartitionView(partition=partition, owner=owner, state="closed", message=why)
        reached, end = (None, None) if durable is None else (durable.replay.reached, durable.replay.end)
        return PartitionView(partition=partition, owner=owner, state="opening", replayed=reached, replay_end=end)

    def health(self, *, failure: BaseException | None) -> WorkerHealth:
        """How the shards are."""
        clock = self._surroundings.clock
        return WorkerHealth(
            joined=self._joined,
            ready=tuple(sorted(self._shards)),
            opening={partition: self._opening[partition].replay for partition in sorted(self._opening)},
            closed=dict(sorted(self._closed.items())),
            clock_difference=clock.difference,
            clock_is_off=clock.is_off,
            stopping=self._draining,
            failure=None if failure is None else str(failure) or type(failure).__name__,
        )

    def drain(self) -> None:
        """Begins nothing new on any partition, those included that are opened from now on."""
        self._draining = True
        for shard in self._shards.values():
            shard.drain()

    def close(self, partition: int, error: HephaestusError) -> None:
        """Closes one partition; while it is given back it closes anyway, and whoever opens it next finds out."""
        _logger.error("partition %d stays closed: %s", partition, error)
        shard = self._shards.pop(partition, None)
        if shard is None:
            return
        self._closed[partition] = str(error)
        self._last_positions[partition] = shard.position
        # Nobody takes their outcomes in.
        self._surroundings.runner.stop_all_but(lambda attempt: self._partition_of(attempt) != partition)
        closing = asyncio.create_task(shard.close(), name=f"close shard {partition}")
        self._closing.add(closing)
        closing.add_done_callback(self._closed_alone)

    async def revoke(self) -> None:
        """Closes all shards side by side; running steps go on, in case the partition comes back."""
        self._epoch += 1
        self._joined = False
        for durable in self._opening.values():
            durable.stop()
        shards, self._shards = self._shards, {}
        await asyncio.gather(*self._closing, *(shard.close() for shard in shards.values()))
        self._last_positions |= {partition: shard.position for partition, shard in shards.items()}

    async def _open(self, partition: int, epoch: int) -> int:
        """Opens a partition, unless it was revoked meanwhile; returns how many records it replayed."""
        if epoch != self._epoch:
            return 0
        durable = DurableShard(self._origin, partition, self._surroundings.clock)
        self._opening[partition] = durable
        shard = Shard(partition, durable, replace(self._surroundings, fail=partial(self._failed, partition)))
        if self._draining:
            shard.drain()
        try:
            await shard.open()
        except ShardClosedError as error:
            self._closed[partition] = str(error)
            _logger.error("%s", error)  # noqa: TRY400 - the message says all
            await asyncio.to_thread(durable.close, position=None)
        except StoppedError:
            await asyncio.to_thread(durable.close, position=None)
        else:
            if epoch == self._epoch:
                self._shards[partition] = shard
            else:
                await shard.close()
        finally:
            del self._opening[partition]
        return durable.replayed

    def _failed(self, partition: int, error: BaseException) -> None:
        """Closes a partition for an error that is of it alone, and ends the worker for any other one of a shard."""
        if isinstance(error, _OF_ONE_PARTITION):
            self.close(partition, error)
        else:
            self._surroundings.fail(error)

    def _closed_alone(self, closing: asyncio.Task[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and (error := closing.exception()) is not None:
            self._surroundings.fail(error)

    def _partition_of(self, attempt: AttemptId) -> int:
        return partition_for(attempt.key.encode(), self._partitions)
