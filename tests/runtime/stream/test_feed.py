"""Whatever is on its way during a rebalance must not reach the shards of the next assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import ShardClosedError
from hephaestus_stream.runtime.stream.feed import Chunk, Feed

ALL = frozenset({0, 1})


class CountingShards:
    """Shards that count what they are given."""

    def __init__(self) -> None:
        self.delivered = 0
        self.revocations = 0

    async def assign(self, partitions: frozenset[int], standbys: frozenset[int]) -> None:
        assert (partitions, standbys) == (ALL, frozenset())

    def position(self, partition: int) -> int | None:
        return 10 + partition

    def accepts(self, partition: int) -> bool:
        return partition in ALL

    def deliver(self, partition: int, records: Sequence[CommandRecord]) -> None:
        assert partition in ALL
        self.delivered += len(records)

    def reached(self, partition: int, *, up_to: int, end: int) -> None:
        assert partition in ALL
        assert up_to <= end

    def close(self, partition: int, error: ShardClosedError) -> None:
        assert partition in ALL
        raise error

    async def revoke(self) -> None:
        self.revocations += 1
        await asyncio.sleep(0)


async def alive() -> None:
    """The group hears nothing here."""


async def opened(feed: Feed) -> int:
    """Go through a whole assignment and return its epoch."""
    feed.announce(ALL)
    await feed.assign(keep_alive=alive)
    epoch, positions = feed.starting_points()
    feed.start(epoch, frozenset(positions))
    return epoch


def chunk(epoch: int) -> Chunk:
    return Chunk(epoch, 0, (CommandRecord(10, 0, None, None, ()),), 11, 11)


async def test_a_chunk_of_the_present_assignment_is_delivered() -> None:
    shards = CountingShards()
    feed = Feed(shards)
    present = chunk(await opened(feed))
    assert feed.take(present)
    feed.deliver(present)
    assert shards.delivered == 1


async def test_a_chunk_that_waits_in_a_queue_while_its_partition_comes_back_is_dropped() -> None:
    shards = CountingShards()
    feed = Feed(shards)
    stale = chunk(await opened(feed))
    assert feed.take(stale)
    await feed.revoke()
    await opened(feed)
    feed.deliver(stale)
    assert not feed.take(stale)
    assert shards.delivered == 0


async def test_a_dropped_chunk_does_not_keep_the_next_assignment_from_being_read() -> None:
    feed = Feed(CountingShards())
    assert feed.take(chunk(await opened(feed)))
    await feed.revoke()
    await feed.everything_arrived()


async def test_an_assignment_that_was_revoked_before_the_shards_could_open_is_forgotten() -> None:
    feed = Feed(CountingShards())
    feed.announce(ALL)
    await feed.revoke()
    await feed.assign(keep_alive=alive)
    assert feed.starting_points()[1] == {}


async def test_a_revocation_while_the_consumer_seeks_keeps_it_from_reading() -> None:
    feed = Feed(CountingShards())
    feed.announce(ALL)
    await feed.assign(keep_alive=alive)
    epoch, positions = feed.starting_points()
    await feed.revoke()
    feed.start(epoch, frozenset(positions))
    assert feed.wanted() == (frozenset(), True)


async def test_the_shards_are_closed_once_when_the_group_and_the_stop_revoke_together() -> None:
    shards = CountingShards()
    feed = Feed(shards)
    await opened(feed)
    first, second = await asyncio.gather(feed.revoke(), feed.revoke())
    assert (shards.revocations, first, second) == (1, {0: 10, 1: 11}, {})


async def test_an_opening_that_is_cancelled_from_inside_ends_the_worker() -> None:
    async def cancelled(partitions: frozenset[int], standbys: frozenset[int]) -> None:
        assert partitions
        assert not standbys
        raise asyncio.CancelledError

    shards = CountingShards()
    shards.assign = cancelled  # type: ignore[method-assign]
    feed = Feed(shards)
    await opened(feed)
    assert isinstance(feed.failure, ShardClosedError)
    assert feed.wanted() == (frozenset(), True)


async def test_the_group_hears_of_a_worker_that_replays_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = asyncio.Event()

    async def replay(partitions: frozenset[int], standbys: frozenset[int]) -> None:
        assert partitions
        assert not standbys
        await heard.wait()

    async def hear() -> None:
        heard.set()

    monkeypatch.setattr("hephaestus_stream.runtime.stream.feed.KEEP_ALIVE_SECONDS", 0.01)
    shards = CountingShards()
    shards.assign = replay  # type: ignore[method-assign]
    feed = Feed(shards)
    feed.announce(ALL)
    await feed.assign(keep_alive=hear)
    assert feed.failure is None
