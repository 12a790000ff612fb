"""What a partition's first owners may leave behind, on a real Kafka."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from rocksdict import Cache

from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.index import INDEX_VERSION
from hephaestus_stream.errors import CommitFailedError, ShardClosedError
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.position import POSITION_KEY, Position, encode_position
from hephaestus_stream.runtime.reset import Reset, reset_positions
from hephaestus_stream.runtime.topics import create_topics, topic_ids
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

SENT_WITHIN = 20.0


@pytest.fixture
def origin(connection: Connection, tmp_path: Path) -> Origin:
    create_topics(connection, partitions=1, replication_factor=1)
    return Origin.of(connection, folder=tmp_path, cache=Cache(8_000_000))


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
    position = Position(
        commands_offset=0, commands_topic_id=topic_ids(connection)[origin.commands.topic], closed_cleanly=False
    )
    leave(connection, POSITION_KEY, encode_position(position), end=abort)

    shard = DurableShard(origin, 0)
    opened = shard.open()
    shard.close(position=opened.position)

    assert (opened.position, opened.worker_lost) == (0, False)


@pytest.mark.parametrize("which", ["commands", "state"])
def test_a_topic_that_was_made_anew_while_the_worker_lives_closes_the_partition(
    connection: Connection, origin: Origin, eventually: Callable[[Callable[[], bool]], None], which: str
) -> None:
    topic = getattr(Topics(connection.namespace), which)
    first = DurableShard(origin, 0)
    first.open()
    first.commit(Batch(), position=3)
    admin = AdminClient(connection.librdkafka())  # its futures end only while it is there
    for deleted in cast("Any", admin).delete_topics([topic]).values():
        deleted.result(SENT_WITHIN)
    eventually(lambda: topic not in topic_ids(connection))
    create_topics(connection, partitions=1, replication_factor=1)
    publisher = Producer(connection.librdkafka())
    for _ in range(10):
        publisher.produce(origin.commands.topic, b"{}", b"k", 0)
    assert publisher.flush(SENT_WITHIN) == 0
    # Nobody told the owner; what it commits now names the topics that it knows.
    first.commit(Batch(), position=4)
    first.close(position=4)

    # Of the same origin, as after a rebalance.
    second = DurableShard(origin, 0)
    with pytest.raises(ShardClosedError, match=r"replaced by .*positions reset --accept-loss"):
        second.open()
    second.close(position=None)

    # Whoever accepts the loss gets all that there is.
    assert reset_positions(connection) == [Reset(0, before=4, after=0)]
    third = DurableShard(origin, 0)
    assert third.open().position == 0
    third.close(position=None)


def age_database(origin: Origin, *, as_of: datetime) -> None:
    """Dates a database that is closed, and gives it a key that was deleted since."""
    store = Store(origin.folder / "0", cache=origin.cache, index_version=INDEX_VERSION)
    standing = store.standing
    assert standing is not None
    store.adopt(standing.topic_id)
    store.write([(b"risen", b"v")], changelog_offset=standing.changelog_offset, as_of=as_of)
    store.close()


@pytest.mark.parametrize(
    ("clock_is_off", "age", "is_kept"),
    [
        (timedelta(0), timedelta(hours=1), True),
        # By a clock that is behind it looks half a day old, and younger than deletions are kept.
        (timedelta(days=-2.5), timedelta(days=3), False),
        # Dated by a clock that was, and is, ahead.
        (timedelta(days=2), timedelta(days=-2), False),
        (timedelta(0), timedelta(days=-2), False),
    ],
)
def test_the_age_of_a_database_is_judged_by_the_brokers_clock(
    origin: Origin, clock_is_off: timedelta, age: timedelta, *, is_kept: bool
) -> None:
    former = DurableShard(origin, 0)
    former.open()
    former.close(position=0)
    age_database(origin, as_of=datetime.now(UTC) - age)

    shard = DurableShard(origin, 0, WorkerClock(lambda: datetime.now(UTC) + clock_is_off))
    shard.open()
    found, filled = shard.store.get(b"risen"), shard.store.get(POSITION_KEY)
    now_standing = shard.store.standing
    shard.close(position=0)

    assert (found is not None) is is_kept
    assert filled is not None
    assert now_standing is not None
    assert abs(datetime.now(UTC) - now_standing.as_of) < timedelta(minutes=5)


def test_a_database_that_is_too_old_keeps_its_date_until_it_is_filled_anew(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = DurableShard(origin, 0)
    former.open()
    former.close(position=0)
    too_old = datetime.now(UTC) - timedelta(days=3)
    age_database(origin, as_of=too_old)

    def die(*_: object, **__: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(Store, "wipe", die)
    shard = DurableShard(origin, 0, WorkerClock(lambda: datetime.now(UTC) - timedelta(days=2.5)))
    with pytest.raises(CommitFailedError, match="InterruptedError"):
        shard.open()
    shard.close(position=None)

    store = Store(origin.folder / "0", cache=origin.cache, index_version=INDEX_VERSION)
    assert store.standing is not None
    assert store.standing.as_of == too_old
    store.close()


def test_state_without_a_position_stays_closed(connection: Connection, origin: Origin) -> None:
    leave(connection, b"h\0some history", b"{}", end=commit)

    shard = DurableShard(origin, 0)
    with pytest.raises(ShardClosedError, match="its state has records but no position"):
        shard.open()
    shard.close(position=None)
