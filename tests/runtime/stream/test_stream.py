"""The stream against a real Kafka: who reads what, from where, and who may not."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from aiokafka.consumer.fetcher import Fetcher  # type: ignore[import-untyped]
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from hephaestus_stream.errors import BrokerUnreachableError, JavaNotFoundError
from hephaestus_stream.local_kafka import temporary_kafka
from hephaestus_stream.runtime.stream.app import build_app, run
from hephaestus_stream.wire.connection import Connection
from tests.runtime.stream.recording_shards import RecordingShards, commands

PARTITIONS = 4
ALL = frozenset(range(PARTITIONS))
OTHER_WORKER = Path(__file__).with_name("recording_shards.py")


def quiet(connection: Connection, **extra: str | bool) -> dict[str, str | int | float | bool]:
    """Clients that outlive the broker of the run would fill the output with refused connections."""
    return {**connection.librdkafka(**extra), "log_level": 0}


@pytest.fixture
def topic(connection: Connection) -> str:
    return create_topic(connection)


def create_topic(connection: Connection) -> str:
    name = commands(connection)
    admin = AdminClient(quiet(connection))
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()  # pyright: ignore[reportUnknownMemberType]
    return name


@pytest.fixture
def producer(connection: Connection) -> Producer:
    return Producer(quiet(connection))


def produce(producer: Producer, topic: str, *, each: int, partitions: Sequence[int] = range(PARTITIONS)) -> None:
    for partition in partitions:
        for number in range(each):
            producer.produce(topic, key=b"order-1", value=b"%d" % number, partition=partition, headers=[("id", b"7")])
    assert producer.flush(10) == 0


async def until(condition: Callable[[], bool], *, running: asyncio.Task[None]) -> None:
    """Wait for a condition; the worker's error ends the wait, and the timeout of pytest a hopeless one."""
    while not condition():
        if running.done():
            await running
            raise AssertionError("the worker ended while the test waited for it")
        await asyncio.sleep(0.01)


@asynccontextmanager
async def worker(
    connection: Connection, shards: RecordingShards, data: Path, *, standbys: int = 1
) -> AsyncGenerator[tuple[asyncio.Task[None], asyncio.Event]]:
    stop = asyncio.Event()
    topic = commands(connection)
    app = build_app(connection=connection, topic=topic, shards=shards, data=data, standbys=standbys)
    task = asyncio.create_task(run(app, stop))
    try:
        yield task, stop
    finally:
        stop.set()
        await asyncio.wait({task})
    assert shards.violations == []


@asynccontextmanager
async def other_worker(connection: Connection, data: Path) -> AsyncGenerator[Process]:
    arguments = (connection.bootstrap, connection.namespace, str(data))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(OTHER_WORKER), *arguments, stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: Process, event: str) -> Mapping[str, object]:
    """The next line of this kind that the other worker writes."""
    assert process.stdout is not None
    async for line in process.stdout:
        message = cast(dict[str, object], json.loads(line))
        if message["event"] == event:
            return message
    raise AssertionError(f"the other worker ended before it told {event!r}")


async def leave(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def test_each_partition_is_read_from_the_position_of_its_shard(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path
) -> None:
    produce(producer, topic, each=5)
    shards = RecordingShards(positions={0: 0, 1: 3, 2: 5, 3: 4})
    async with worker(connection, shards, tmp_path) as (running, _):
        await until(lambda: shards.total() == 5 + 2 + 1, running=running)
        produce(producer, topic, each=1, partitions=[2])
        await until(lambda: shards.total() == 5 + 2 + 1 + 1, running=running)
    assert {partition: records[0].offset for partition, records in shards.delivered.items()} == {0: 0, 1: 3, 2: 5, 3: 4}
    record = shards.delivered[1][0]
    assert (record.key, record.value, record.headers) == (b"order-1", b"3", (("id", b"7"),))
    assert record.timestamp > 1_700_000_000_000


async def test_a_closed_partition_is_not_read_though_the_group_has_an_offset_for_it(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path
) -> None:
    produce(producer, topic, each=5)
    commit_for_the_group(connection, topic, offset=1)
    shards = RecordingShards(closed={2})
    async with worker(connection, shards, tmp_path) as (running, _):
        await until(lambda: shards.total() == 3 * 5, running=running)
        for round_number in range(1, 4):
            produce(producer, topic, each=1)
            await until(partial(shards.has, 3 * (5 + round_number)), running=running)
    assert sorted(shards.delivered) == [0, 1, 3]
    assert 2 not in shards.ends


async def test_a_full_mailbox_holds_up_its_own_partition_only(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long aiokafka waits for fetched records to be taken, before it fetches others from their broker.
    monkeypatch.setitem(vars(Fetcher)["__init__"].__kwdefaults__, "prefetch_backoff", 3_600)
    shards = RecordingShards(full={1})
    async with worker(connection, shards, tmp_path) as (running, _):
        for round_number in range(1, 6):
            produce(producer, topic, each=1)
            await until(partial(shards.has, 3 * round_number), running=running)
        assert 1 not in shards.delivered
        shards.full.clear()
        await until(lambda: shards.total() == 4 * 5, running=running)


async def test_the_group_commits_the_positions_of_the_shards_when_the_worker_stops(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path
) -> None:
    produce(producer, topic, each=7)
    shards = RecordingShards(closed={0})
    async with worker(connection, shards, tmp_path) as (running, stop):
        await until(lambda: shards.total() == 3 * 7, running=running)
        stop.set()
        await running
    assert shards.revocations == 1
    assert committed_by_the_group(connection, topic) == {1: 7, 2: 7, 3: 7}


async def test_no_topic_is_created(connection: Connection, topic: str, producer: Producer, tmp_path: Path) -> None:
    produce(producer, topic, each=1)
    shards = RecordingShards()
    async with worker(connection, shards, tmp_path) as (running, _):
        await until(lambda: shards.total() == PARTITIONS, running=running)
    topics = AdminClient(quiet(connection)).list_topics(timeout=10).topics
    assert [name for name in topics if connection.namespace in name] == [topic]


async def test_an_aborted_transaction_is_not_delivered_and_its_markers_are_passed(
    connection: Connection, topic: str, tmp_path: Path
) -> None:
    transactions = Producer(quiet(connection, transactional_id=connection.namespace))
    transactions.init_transactions(30)
    for commit, value in ((True, b"first"), (False, b"never"), (True, b"last")):
        transactions.begin_transaction()
        transactions.produce(topic, value=value, partition=0)
        # An abort drops what is still in the queue.
        transactions.flush(10)
        (transactions.commit_transaction if commit else transactions.abort_transaction)(30)
    shards = RecordingShards()
    # The markers leave gaps between the offsets, which these shards would note.
    shards.contiguous = False
    async with worker(connection, shards, tmp_path) as (running, _):
        # Three records and three markers, the last of which nothing follows.
        await until(lambda: shards.ends.get(0) == (6, 6), running=running)
    assert [record.value for record in shards.delivered[0]] == [b"first", b"last"]


async def test_a_worker_that_stops_hands_its_partitions_over_without_a_traceback_in_the_log(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shards = RecordingShards()
    async with worker(connection, shards, tmp_path / "here") as (running, _):
        await until(lambda: shards.owned == frozenset(range(PARTITIONS)), running=running)
        async with other_worker(connection, tmp_path / "there") as other:
            theirs = frozenset(cast(list[int], (await told(other, "assign"))["partitions"]))
            await until(lambda: len(shards.owned) == PARTITIONS // 2, running=running)
            assert theirs | shards.owned == frozenset(range(PARTITIONS))
            await leave(other)
        await until(lambda: shards.owned == frozenset(range(PARTITIONS)), running=running)
        produce(producer, topic, each=1)
        await until(lambda: shards.total() == PARTITIONS, running=running)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_the_partitions_of_a_killed_worker_are_taken_over(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path
) -> None:
    shards = RecordingShards()
    async with other_worker(connection, tmp_path / "there") as other:
        await told(other, "assign")
        async with worker(connection, shards, tmp_path / "here") as (running, _):
            await until(lambda: len(shards.owned) == PARTITIONS // 2, running=running)
            other.kill()
            await until(lambda: shards.owned == frozenset(range(PARTITIONS)), running=running)
            produce(producer, topic, each=1)
            await until(lambda: shards.total() == PARTITIONS, running=running)


async def test_each_worker_is_the_standby_of_what_the_other_one_owns(
    connection: Connection, topic: str, tmp_path: Path
) -> None:
    assert topic
    shards = RecordingShards()
    async with worker(connection, shards, tmp_path / "here") as (running, _):
        await until(lambda: shards.owned == ALL, running=running)
        assert shards.standbys == frozenset()
        async with other_worker(connection, tmp_path / "there") as other:
            assignment = await told(other, "assign")
            await until(lambda: len(shards.owned) == PARTITIONS // 2, running=running)
            assert assignment["standbys"] == sorted(shards.owned)
            assert shards.standbys == ALL - shards.owned == frozenset(cast(list[int], assignment["partitions"]))


async def test_a_worker_without_standbys_keeps_none_in_a_group_whose_others_do(
    connection: Connection, topic: str, tmp_path: Path
) -> None:
    assert topic
    shards = RecordingShards()
    async with (
        worker(connection, shards, tmp_path / "here", standbys=0) as (running, _),
        other_worker(connection, tmp_path / "there") as other,
    ):
        await told(other, "assign")
        await until(lambda: len(shards.owned) == PARTITIONS // 2, running=running)
        assert shards.standbys == frozenset()


async def test_nothing_stale_is_delivered_while_workers_come_and_go(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path
) -> None:
    shards = RecordingShards(rewind=50)
    async with worker(connection, shards, tmp_path / "here") as (running, _):
        load = asyncio.create_task(keep_producing(producer, topic))
        for _ in range(3):
            enough = shards.total() + 1_000
            await until(partial(shards.has_at_least, enough), running=running)
            async with other_worker(connection, tmp_path / "there") as other:
                await told(other, "assign")
                await until(lambda: len(shards.owned) == PARTITIONS // 2, running=running)
                await leave(other)
            await until(lambda: shards.owned == frozenset(range(PARTITIONS)), running=running)
        load.cancel()
        assert producer.flush(10) == 0
        ends = {partition: high_watermark(connection, topic, partition) for partition in range(PARTITIONS)}
        await until(lambda: all(shards.positions[partition] >= end for partition, end in ends.items()), running=running)
    assert len(shards.assignments) >= 1 + 2 * 3


async def test_a_revocation_reaches_the_shards_while_they_are_still_opening(
    connection: Connection, topic: str, tmp_path: Path
) -> None:
    assert topic
    shards = RecordingShards()
    opening, revoked = asyncio.Event(), asyncio.Event()

    async def replay_for_ever(partitions: frozenset[int], standbys: frozenset[int]) -> None:
        assert partitions
        assert not standbys
        opening.set()
        await revoked.wait()

    async def revoke() -> None:
        revoked.set()

    shards.assign = replay_for_ever  # type: ignore[method-assign]
    shards.revoke = revoke  # type: ignore[method-assign]
    async with worker(connection, shards, tmp_path) as (running, stop):
        await until(opening.is_set, running=running)
        stop.set()
        await running
    assert revoked.is_set()


@pytest.mark.parametrize("method", ["assign", "deliver", "reached", "accepts", "position"])
async def test_an_error_of_a_shard_ends_the_worker_with_this_error(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path, method: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("the database is gone")

    produce(producer, topic, each=1)
    shards = RecordingShards()
    setattr(shards, method, broken)
    async with worker(connection, shards, tmp_path) as (running, _):
        with pytest.raises(LookupError, match="the database is gone"):
            await running


async def test_an_error_while_closing_is_not_lost(connection: Connection, topic: str, tmp_path: Path) -> None:
    async def broken() -> None:
        raise LookupError("the disk is full")

    assert topic
    shards = RecordingShards()
    shards.revoke = broken  # type: ignore[method-assign]
    async with worker(connection, shards, tmp_path) as (running, stop):
        await until(lambda: bool(shards.owned), running=running)
        stop.set()
        with pytest.raises(LookupError, match="the disk is full"):
            await running


async def test_a_position_that_the_log_does_not_have_closes_its_partition_and_the_others_are_read(
    connection: Connection, topic: str, producer: Producer, tmp_path: Path
) -> None:
    lost = {1: 2_000, 3: 1_000}
    shards = RecordingShards(positions=dict(lost))
    async with worker(connection, shards, tmp_path) as (running, _):
        await until(lambda: len(shards.reasons) == len(lost), running=running)
        for round_number in range(1, 4):
            produce(producer, topic, each=1)
            await until(partial(shards.has, 2 * round_number), running=running)
    assert sorted(shards.delivered) == [0, 2]
    for partition, offset in lost.items():
        assert f"{topic}[{partition}] does not have the offset {offset} any more" in shards.reasons[partition]


async def test_a_worker_stops_though_its_broker_is_gone(namespace: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        try:
            connection = Connection(stack.enter_context(temporary_kafka()), namespace)
        except JavaNotFoundError:
            pytest.skip("only a broker of its own can be stopped, and that needs Java")
        create_topic(connection)
        shards = RecordingShards()
        async with worker(connection, shards, tmp_path) as (running, stop):
            await until(lambda: bool(shards.owned), running=running)
            await asyncio.to_thread(stack.close)
            stop.set()
            # Faust would wait for a minute, and then lose the reason.
            await asyncio.wait_for(running, 30)
    assert shards.revocations == 1


async def test_a_broker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    nowhere = Connection("127.0.0.1:1", "nobody")
    async with worker(nowhere, RecordingShards(), tmp_path) as (running, _):
        with pytest.raises(BrokerUnreachableError, match=r"127\.0\.0\.1:1"):
            await running


async def keep_producing(producer: Producer, topic: str) -> None:
    number = 0
    while True:
        for _ in range(20):
            producer.produce(topic, value=b"%d" % number, partition=number % PARTITIONS)
            number += 1
        producer.poll(0)
        await asyncio.sleep(0.005)


def group_member(connection: Connection) -> Consumer:
    return Consumer(quiet(connection, group_id=connection.namespace, enable_auto_commit=False))


def commit_for_the_group(connection: Connection, topic: str, *, offset: int) -> None:
    consumer = group_member(connection)
    consumer.commit(
        offsets=[TopicPartition(topic, partition, offset) for partition in range(PARTITIONS)], asynchronous=False
    )
    consumer.close()


def committed_by_the_group(connection: Connection, topic: str) -> dict[int, int]:
    consumer = group_member(connection)
    found = consumer.committed([TopicPartition(topic, partition) for partition in range(PARTITIONS)], timeout=10)
    consumer.close()
    return {entry.partition: entry.offset for entry in found if entry.offset >= 0}


def high_watermark(connection: Connection, topic: str, partition: int) -> int:
    consumer = group_member(connection)
    _, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    consumer.close()
    return high
