"""What a partition's first owners may leave behind, on a real Kafka."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from rocksdict import Cache

from hephaestus_stream.errors import ShardClosedError
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.commands_log import CommandsLog
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.position import POSITION_KEY, Position, encode_position
from hephaestus_stream.runtime.topics import create_topics, describe_changelog, topic_ids
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

SENT_WITHIN = 20.0


@pytest.fixture
def origin(connection: Connection, tmp_path: Path) -> Origin:
    create_topics(connection, partitions=1, replication_factor=1)
    topic = Topics(connection.namespace).commands
    log = CommandsLog(connection, topic=topic, topic_id=topic_ids(connection)[topic])
    return Origin(connection, describe_changelog(connection), log, tmp_path, Cache(8_000_000))


def leave(connection: Connection, key: bytes, value: bytes, *, end: Callable[[Producer], None]) -> None:
    """Sends one record to the changelog in a transaction of the partition's owner, and ends it."""
    owner = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-0"))
    owner.init_transactions(SENT_WITHIN)
    owner.begin_transaction()
    owner.produce(Topics(connection.namespace).state, value, key, partition=0)
    assert owner.flush(SENT_WITHIN) == 0
    end(owner)


def abort(owner: Producer) -> None:
    owner.abort_transaction(SENT_WITHIN)


def commit(owner: Producer) -> None:
    owner.commit_transaction(SENT_WITHIN)


def test_an_owner_that_was_killed_in_its_very_first_commit_leaves_a_partition_that_opens(
    connection: Connection, origin: Origin
) -> None:
    position = Position(commands_offset=0, commands_topic_id=origin.commands.topic_id, closed_cleanly=False)
    leave(connection, POSITION_KEY, encode_position(position), end=abort)

    shard = DurableShard(origin, 0)
    opened = shard.open()
    shard.close(position=opened.position)

    assert (opened.position, opened.worker_lost) == (0, False)


def test_state_without_a_position_stays_closed(connection: Connection, origin: Origin) -> None:
    leave(connection, b"h\0some history", b"{}", end=commit)

    shard = DurableShard(origin, 0)
    with pytest.raises(ShardClosedError, match="its state has records but no position"):
        shard.open()
    shard.close(position=None)
