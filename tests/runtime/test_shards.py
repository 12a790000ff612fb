"""The shards of a worker as the group assigns and revokes them, with copies of others in between."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer
from rocksdict import Cache

from hephaestus_stream import Done, Wait, Workflow
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.cycle import execution
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.index import KEYS
from hephaestus_stream.cycle.record import FORM
from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import PositionLostError
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.standbys import Standbys
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.courier import Courier
from hephaestus_stream.runtime.shard import Surroundings
from hephaestus_stream.runtime.shards import OwnedShards
from hephaestus_stream.runtime.steps.runner import StepRunner
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.command import encode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import start_command
from hephaestus_stream.wire.topics import Topics

PARTITIONS = 3


class Nap(Workflow[None], key="nap"):
    """Sleeps for a day."""

    sleep = Wait(timedelta(days=1))
    done = Done()
    start = sleep
    transitions = (sleep.elapsed.to(done),)


ALL = frozenset(range(PARTITIONS))
Eventually = Callable[[Callable[[], bool]], None]


class Place:
    """What a worker has: shards, and copies of what it does not own."""

    def __init__(self, connection: Connection, folder: Path, threads: ThreadPoolExecutor) -> None:
        self.origin = Origin.of(connection, folder=folder, cache=Cache(8_000_000))
        self.standbys = Standbys(self.origin, WorkerClock())
        self.runner = StepRunner(concurrency=10, threads=1, processes=1, stop_grace=timedelta(seconds=1))
        self.courier = Courier(connection, on_refusal=lambda: None)
        self.failures: list[BaseException] = []
        self.ready: list[Sequence[int]] = []
        profile = partial(self._profile, connection)
        around = Surroundings(profile, self.runner, self.courier, threads, self.failures.append)
        self.shards = OwnedShards(
            self.origin, around, standbys=self.standbys, partitions=PARTITIONS, on_ready=self.ready.append
        )

    def free(self) -> set[int]:
        """The partitions whose databases nobody has open."""
        free: set[int] = set()
        for partition in ALL:
            try:
                Store(self.origin.folder / str(partition), cache=self.origin.cache).close()
            except Exception as error:  # noqa: BLE001 - RocksDB has no other
                assert "lock" in str(error)  # noqa: PT017 - any other error is one
            else:
                free.add(partition)
        return free

    @staticmethod
    def _profile(connection: Connection, partition: int) -> ShardProfile:
        return ShardProfile(
            partition=partition,
            partitions=PARTITIONS,
            topics=Topics(connection.namespace),
            catalog=Catalog([Nap]),
            jitter=random.random,
            command_retention=timedelta(days=7),
        )


@asynccontextmanager
async def place(connection: Connection, folder: Path) -> AsyncGenerator[Place]:
    await asyncio.to_thread(create_topics, connection, partitions=PARTITIONS, replication_factor=1)
    with ThreadPoolExecutor(PARTITIONS + 1) as threads:
        there = Place(connection, folder, threads)
        try:
            yield there
        finally:
            await there.shards.revoke()
            await there.runner.close()
            await asyncio.to_thread(there.standbys.close)
            there.courier.close()
            there.origin.close()
    assert there.failures == []


async def test_a_partition_goes_from_owner_to_copy_and_back(
    connection: Connection, tmp_path: Path, eventually: Eventually
) -> None:
    async with place(connection, tmp_path) as there:
        for owned in (frozenset({0}), frozenset({1, 2}), ALL, frozenset({2}), frozenset[int]()):
            await there.shards.assign(owned, ALL - owned)
            assert there.ready[-1] == sorted(owned)
            await asyncio.to_thread(eventually, partial(_follows, there, ALL - owned))
            await there.shards.revoke()
            assert there.free() >= owned


def _follows(there: Place, partitions: frozenset[int]) -> bool:
    return there.standbys.behind() == dict.fromkeys(partitions, 0)


async def test_what_is_revoked_while_copies_are_let_go_of_or_shards_open_is_not_kept(
    connection: Connection, tmp_path: Path, eventually: Eventually
) -> None:
    async with place(connection, tmp_path) as there:
        for turns in (1, 2, 3, 10, 100, 1_000):
            await there.shards.assign(frozenset(), ALL)
            await asyncio.to_thread(eventually, partial(_follows, there, ALL))
            await there.shards.revoke()
            opening = asyncio.create_task(there.shards.assign(ALL, frozenset()))
            for _ in range(turns):
                await asyncio.sleep(0)
            await there.shards.revoke()
            await opening

            assert there.ready[-1] == []
            assert there.free() == ALL


async def test_a_partition_is_never_the_copy_of_its_own_owner(
    connection: Connection, tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    async with place(connection, tmp_path) as there:
        await there.shards.assign(frozenset({0}), frozenset({0, 1}))
        await asyncio.to_thread(eventually, partial(_follows, there, frozenset({1})))
        # It would not even try: the database is open already.
        assert "the standby of partition 0" not in caplog.text


def naps(partition: int, count: int) -> list[CommandRecord]:
    commands = (start_command(Nap, str(number), None) for number in range(100))
    here = [each for each in commands if partition_for(each.key.encode(), PARTITIONS) == partition]
    return [CommandRecord(n, 0, each.key.encode(), encode_command(each)) for n, each in enumerate(here[:count])]


def leave_key_record(connection: Connection, partition: int, *, form: int) -> None:
    """Puts a record into the state, in the place of what is kept of the key of the partition's first nap."""
    owner = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-{partition}"))
    owner.init_transactions(20.0)
    owner.begin_transaction()
    place, record = KEYS + (naps(partition, 1)[0].key or b""), struct.pack(">BBqq", form, 0, 0, 0) + b"\xc1"
    owner.produce(Topics(connection.namespace).state, record, place, partition=partition)
    owner.commit_transaction(20.0)


async def test_a_partition_with_a_record_of_a_later_release_is_not_opened_and_the_others_go_on(
    connection: Connection, tmp_path: Path, eventually: Eventually
) -> None:
    async with place(connection, tmp_path) as there:
        shards = there.shards
        await shards.assign(ALL, frozenset())
        await shards.revoke()
        await asyncio.to_thread(leave_key_record, connection, 0, form=FORM + 1)
        await shards.assign(ALL, frozenset())

        assert shards.health(failure=None).ready == (1, 2)
        assert "upgrade this worker" in shards.health(failure=None).closed[0]
        shards.deliver(1, naps(1, 2))
        await asyncio.to_thread(eventually, lambda: shards.position(1) == 2)


@pytest.mark.parametrize("is_given_back", [False, True])
async def test_a_partition_with_a_record_that_only_a_cycle_finds_unreadable_is_closed_and_the_others_go_on(
    connection: Connection, tmp_path: Path, eventually: Eventually, *, is_given_back: bool
) -> None:
    async with place(connection, tmp_path) as there:
        shards = there.shards
        await shards.assign(ALL, frozenset())
        await shards.revoke()
        await asyncio.to_thread(leave_key_record, connection, 0, form=FORM)
        await shards.assign(ALL, frozenset())
        assert shards.health(failure=None).ready == (0, 1, 2)

        shards.deliver(0, naps(0, 1))
        if is_given_back:
            await asyncio.sleep(0)  # its cycle has begun
            await shards.revoke()
            await shards.assign(ALL, frozenset())
            shards.deliver(0, naps(0, 1))
        await asyncio.to_thread(eventually, lambda: 0 not in shards.health(failure=None).ready)
        shards.deliver(1, naps(1, 2))
        await asyncio.to_thread(eventually, lambda: shards.position(1) == 2)

        assert "a record of the state is damaged" in shards.health(failure=None).closed[0]


async def test_a_partition_whose_position_the_topic_has_no_longer_is_closed_and_the_others_go_on(
    connection: Connection, tmp_path: Path, eventually: Eventually
) -> None:
    async with place(connection, tmp_path) as there:
        shards = there.shards
        await shards.assign(ALL, frozenset())
        shards.close(2, PositionLostError("it is gone", partition=2))
        shards.deliver(1, naps(1, 2))
        await asyncio.to_thread(eventually, lambda: shards.position(1) == 2)

        assert shards.health(failure=None).closed == {2: "it is gone"}
        await asyncio.to_thread(eventually, lambda: there.free() == {2})


async def test_a_partition_whose_instances_the_engine_fails_on_is_closed_and_the_others_go_on(
    connection: Connection,
    tmp_path: Path,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    async with place(connection, tmp_path) as there:
        shards = there.shards
        await shards.assign(ALL, frozenset())
        monkeypatch.setattr(execution, "apply", fail)
        shards.deliver(0, naps(0, 3))
        await asyncio.to_thread(eventually, lambda: 0 not in shards.health(failure=None).ready)
        monkeypatch.undo()
        shards.deliver(1, naps(1, 2))
        await asyncio.to_thread(eventually, lambda: shards.position(1) == 2)

        health = shards.health(failure=None)
        assert health.ready == (1, 2)
        assert "failed on 3 instances in a row" in health.closed[0]
        assert "partition 0 stays closed" in caplog.text
        # What the feed still had on its way does no harm, and is read again from the position.
        shards.deliver(0, naps(0, 3))
        shards.reached(0, up_to=3, end=3)
        assert not shards.accepts(0)
        await shards.revoke()
        assert shards.position(0) == 0
        assert there.free() == ALL
        # Without the bug it goes on.
        await shards.assign(ALL, frozenset())
        shards.deliver(0, naps(0, 3))
        await asyncio.to_thread(eventually, lambda: shards.position(0) == 3)
