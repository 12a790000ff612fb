"""A partition that stays closed can be opened again by somebody who accepts the loss."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from rocksdict import Cache

from hephaestus_stream.errors import ShardClosedError
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.commands_log import CommandsLog
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.position import POSITION_KEY, Applied, Position, check_position, encode_position
from hephaestus_stream.runtime.reset import Reset, reset_positions
from hephaestus_stream.runtime.topics import create_topics, topic_ids
from hephaestus_stream.runtime.transaction import TransactionalProducer
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics


def commit_position(connection: Connection, position: Position) -> None:
    commit_encoded(connection, encode_position(position))


def commit_encoded(connection: Connection, position: bytes) -> None:
    producer = TransactionalProducer(connection, partition=0, stop=threading.Event())
    producer.open()
    producer.commit([OutputRecord(Topics(connection.namespace).state, POSITION_KEY, position)])
    producer.close()


def delete_below(connection: Connection, topic: str, *, offset: int) -> None:
    admin = AdminClient(connection.librdkafka())  # its futures end only while it is there
    place = TopicPartition(topic, 0, offset)
    deleted = cast("dict[TopicPartition, Future[object]]", cast("Any", admin).delete_records([place]))
    assert [future.exception(10) for future in deleted.values()] == [None]


def test_a_position_below_the_log_is_set_to_its_start_and_one_that_fits_stays(connection: Connection) -> None:
    topics = Topics(connection.namespace)
    create_topics(connection, partitions=2, replication_factor=1)
    topic_id = topic_ids(connection)[topics.commands]
    producer = Producer(connection.librdkafka())
    for number in range(5):
        producer.produce(topics.commands, str(number), partition=0)
    producer.flush(10)
    commit_position(connection, Position(commands_offset=1, commands_topic_id=topic_id, closed_cleanly=True))
    assert reset_positions(connection, partitions=[0]) == []

    delete_below(connection, topics.commands, offset=3)

    log = CommandsLog(connection)
    start, end = log.range(0, stop=threading.Event())
    log.close()
    with pytest.raises(ShardClosedError, match="positions reset --accept-loss"):
        check_position(
            Position(commands_offset=1, commands_topic_id=topic_id, closed_cleanly=True),
            topic=topics.commands,
            partition=0,
            topic_id=topic_id,
            state_topic_id="any",
            log_start=start,
            log_end=end,
            group_offset_exists=True,
            state_is_empty=False,
        )
    assert reset_positions(connection, partitions=[0]) == [Reset(0, before=1, after=3)]
    assert reset_positions(connection, partitions=[0]) == []


def test_the_owner_of_a_position_that_fits_is_not_fenced(connection: Connection) -> None:
    topics = Topics(connection.namespace)
    create_topics(connection, partitions=1, replication_factor=1)
    fits = Position(commands_offset=0, commands_topic_id=topic_ids(connection)[topics.commands], closed_cleanly=False)
    record = OutputRecord(topics.state, POSITION_KEY, encode_position(fits))
    owner = TransactionalProducer(connection, partition=0, stop=threading.Event())
    owner.open()
    owner.commit([record])

    assert reset_positions(connection) == []

    assert owner.commit([record])
    owner.close()


def test_a_position_in_a_topic_that_was_made_anew_begins_at_its_start(connection: Connection) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    commit_position(connection, Position(commands_offset=70, commands_topic_id="another", closed_cleanly=False))

    assert reset_positions(connection) == [Reset(0, before=70, after=0)]


def test_a_lost_worker_and_what_the_engine_failed_on_are_not_forgotten(connection: Connection, tmp_path: Path) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    seen = datetime(2026, 1, 2, tzinfo=UTC)
    lost = Position(
        commands_offset=70,
        commands_topic_id="another",
        closed_cleanly=False,
        committed_at=seen,
        failed=("a::1", "a::2"),
    )
    commit_position(connection, lost)

    assert reset_positions(connection) == [Reset(0, before=70, after=0)]

    origin = Origin.of(connection, folder=tmp_path, cache=Cache(8_000_000))
    shard = DurableShard(origin, 0)
    opened = shard.open()
    shard.close(position=None)
    origin.close()
    assert (opened.worker_lost, opened.last_seen, opened.failed) == (True, seen, ("a::1", "a::2"))


def test_a_position_that_is_garbage_counts_as_none(connection: Connection) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    commit_encoded(connection, b"nonsense")

    assert reset_positions(connection) == [Reset(0, before=None, after=0)]


def test_a_position_of_a_newer_version_is_not_thrown_away(connection: Connection) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    commit_encoded(connection, b'{"schema":2,"somewhere":"else"}')

    with pytest.raises(ShardClosedError, match="upgrade this worker"):
        reset_positions(connection)


def publish(connection: Connection, count: int) -> list[int]:
    """Sends commands, and returns when a broker appended each, in milliseconds."""
    dates: list[int] = []
    producer = Producer(connection.librdkafka(linger_ms=0))
    for number in range(count):
        producer.produce(
            Topics(connection.namespace).commands,
            str(number),
            partition=0,
            on_delivery=lambda _, sent: dates.append(sent.timestamp()[1]),
        )
    assert producer.flush(20) == 0
    return dates


def test_where_the_log_lost_what_was_applied_all_that_came_later_is_read(
    connection: Connection, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    ids = topic_ids(connection)
    old = publish(connection, 3)
    eventually(lambda: time.time() * 1000 > old[-1] + 1)
    new = publish(connection, 5)
    # Of 6 commands that were applied the log kept 3; others have the offsets of the rest since. What came within a
    # minute before the last one counts as later, for the brokers' clocks.
    applied = Applied(offset=5, timestamp=new[0] + 60_000)
    commit_position(
        connection,
        Position(
            commands_offset=6,
            commands_topic_id=ids[Topics(connection.namespace).commands],
            closed_cleanly=True,
            applied=applied,
        ),
    )
    origin = Origin.of(connection, folder=tmp_path, cache=Cache(8_000_000))
    shard = DurableShard(origin, 0)
    with pytest.raises(ShardClosedError, match="at offset 5 stands another record"):
        shard.open()
    shard.close(position=None)

    assert reset_positions(connection) == [Reset(0, before=6, after=3)]
    assert reset_positions(connection) == []
    shard = DurableShard(origin, 0)
    assert shard.open().position == 3
    shard.close(position=None)
    origin.close()


def test_the_log_has_a_command_until_another_stands_there_and_counts_as_having_it_when_it_was_deleted(
    connection: Connection,
) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    dates = publish(connection, 5)
    last = Applied(offset=3, timestamp=dates[3])
    stop = threading.Event()
    log = CommandsLog(connection)
    assert log.has(last, 0, stop=stop)
    assert not log.has(Applied(offset=3, timestamp=dates[3] - 1), 0, stop=stop)
    assert not log.has(Applied(offset=5, timestamp=dates[4]), 0, stop=stop)
    assert log.first_after(Applied(offset=9, timestamp=dates[4] + 3_600_000), 0, stop=stop) == 5

    delete_below(connection, Topics(connection.namespace).commands, offset=4)

    assert log.has(last, 0, stop=stop)
    log.close()
