"""Replay from a real broker: what a crash, an abort, a compaction or an old folder leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from rocksdict import Cache

from hephaestus_stream.errors import BrokerUnreachableError, ShardClosedError, StateLostError, StoppedError
from hephaestus_stream.runtime.changelog import replay as replay_module
from hephaestus_stream.runtime.changelog.following import ChangelogTopic
from hephaestus_stream.runtime.changelog.logs import ask_logs
from hephaestus_stream.runtime.changelog.reader import ChangelogReader
from hephaestus_stream.runtime.changelog.replay import ReplayedState, replay
from hephaestus_stream.runtime.changelog.store import Change, Store
from hephaestus_stream.runtime.clock import Observation, WorkerClock, uptime
from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.topics import TopicSpec, create_topics
from hephaestus_stream.runtime.transaction import TransactionalProducer
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics

PARTITION = 0
CACHE = Cache(8 * 1024 * 1024)


def by_status(changes: Mapping[bytes, bytes | None], _get: Callable[[bytes], bytes | None]) -> Sequence[Change]:
    return [(b"x" + key, b"" if value == b"running" else None) for key, value in changes.items() if key[:1] == b"i"]


class Shard:
    """The durable half of a partition: commit, then write, as the cycle does."""

    def __init__(self, connection: Connection, folder: Path, changelog: ChangelogTopic) -> None:
        self.connection = connection
        self.changelog = changelog
        self.stop = threading.Event()
        self.clock = WorkerClock()
        # As a commit of the same worker does.
        self.clock.observe(Observation(datetime.now(UTC), sent=uptime(), reported=uptime()))
        self.progress: list[tuple[int, int]] = []
        self.producer = TransactionalProducer(connection, partition=PARTITION, stop=self.stop)
        self.store = Store(folder, cache=CACHE, derive=by_status)

    def open(self) -> ReplayedState:
        self.producer.open()
        return self.follow()

    def follow(self) -> ReplayedState:
        return replay(
            self.connection,
            self.changelog,
            partition=PARTITION,
            store=self.store,
            stop=self.stop,
            on_progress=lambda done, total: self.progress.append((done, total)),
            clock=self.clock,
        )

    def commit(self, *changes: Change) -> int:
        offset = self.producer.commit([OutputRecord(self.changelog.name, key, value) for key, value in changes])
        assert offset is not None
        return offset

    def cycle(self, *changes: Change) -> None:
        as_of = datetime.now(UTC)
        self.store.write(changes, changelog_offset=self.commit(*changes), as_of=as_of)

    def contents(self) -> list[tuple[bytes, bytes]]:
        return [entry for entry in self.store.scan(b"", limit=100_000) if not entry[0].startswith(b"\x00")]

    def close(self) -> None:
        self.producer.close()
        self.store.close()


MakeShard = Callable[[str], Shard]


@pytest.fixture
def changelog(connection: Connection) -> ChangelogTopic:
    create_topics(connection, partitions=1, replication_factor=1)
    return ask_logs(Cluster(connection), stop=threading.Event()).changelog


@pytest.fixture
def make_shard(connection: Connection, changelog: ChangelogTopic, tmp_path: Path) -> Generator[MakeShard]:
    with ExitStack() as shards:

        def make(folder: str) -> Shard:
            shard = Shard(connection, tmp_path / folder, changelog)
            shards.callback(shard.close)
            return shard

        yield make


def test_a_new_partition_is_replayed_from_nothing_without_a_warning(
    make_shard: MakeShard, caplog: pytest.LogCaptureFixture
) -> None:
    shard = make_shard("new")
    assert shard.open().count == 0
    assert "wiping" not in caplog.text
    shard.cycle((b"a", b"1"))
    assert shard.contents() == [(b"a", b"1")]


@pytest.mark.parity(23)
def test_a_wiped_folder_is_filled_with_all_that_the_live_store_has(make_shard: MakeShard) -> None:
    live = make_shard("live")
    live.open()
    for number in range(300):
        key = b"i%d" % (number % 50)
        value = None if number % 7 == 0 else b"running" if number % 2 else b"completed"
        live.cycle((key, value), (b"h%d" % number, b"event"))
    wiped = make_shard("wiped")
    replayed = wiped.open()
    assert wiped.contents() == live.contents()
    assert any(key.startswith(b"xi") for key, _ in wiped.contents())
    assert replayed.count == 600
    assert wiped.progress[-1][0] <= replayed.end_offset


def test_what_was_committed_but_not_written_is_filled_in(make_shard: MakeShard) -> None:
    crashed = make_shard("crashed")
    crashed.open()
    crashed.cycle((b"i1", b"running"), (b"i2", b"running"))
    crashed.commit((b"i1", b"completed"), (b"i2", None), (b"i3", b"running"))
    crashed.close()
    again = make_shard("crashed")
    assert again.open().count == 3
    assert again.contents() == [(b"i1", b"completed"), (b"i3", b"running"), (b"xi3", b"")]


@pytest.mark.parity(23)
def test_a_worker_killed_between_commit_and_write_loses_nothing(
    connection: Connection, changelog: ChangelogTopic, make_shard: MakeShard, tmp_path: Path
) -> None:
    program = textwrap.dedent(f"""
        import os, signal, threading
        from datetime import UTC, datetime
        from pathlib import Path
        from rocksdict import Cache
        from hephaestus_stream.runtime.changelog.store import Store
        from hephaestus_stream.runtime.transaction import TransactionalProducer
        from hephaestus_stream.wire.record import OutputRecord
        from hephaestus_stream.wire.connection import Connection

        producer = TransactionalProducer(
            Connection({connection.bootstrap!r}, {connection.namespace!r}), partition=0, stop=threading.Event()
        )
        producer.open()
        store = Store(Path({str(tmp_path / "killed")!r}), cache=Cache(1024 * 1024))
        store.adopt({changelog.topic_id!r})
        now = datetime.now(UTC)
        offset = producer.commit([OutputRecord({changelog.name!r}, b"a", b"written")])
        store.write([(b"a", b"written")], changelog_offset=offset, as_of=now)
        producer.commit([OutputRecord({changelog.name!r}, b"b", b"committed only")])
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    shard = make_shard("killed")
    replayed = shard.open()
    assert (replayed.count, replayed.wiped) == (1, None)
    assert shard.contents() == [(b"a", b"written"), (b"b", b"committed only")]


def test_an_aborted_transaction_is_not_replayed_and_does_not_hide_the_end(
    connection: Connection, changelog: ChangelogTopic, make_shard: MakeShard
) -> None:
    shard = make_shard("live")
    shard.open()
    shard.cycle((b"a", b"1"))
    aborting = Producer({**connection.librdkafka(transactional_id=f"{connection.namespace}-{PARTITION}")})
    aborting.init_transactions(30)
    aborting.begin_transaction()
    aborting.produce(changelog.name, b"never", b"a", PARTITION)
    assert aborting.flush(30) == 0
    aborting.abort_transaction(30)
    behind = make_shard("behind")
    replayed = behind.open()
    assert behind.contents() == [(b"a", b"1")]
    # Record, commit marker, aborted record, abort marker.
    assert (replayed.count, replayed.end_offset) == (1, 4)
    behind.cycle((b"a", b"2"))
    assert behind.follow().count == 0


def test_an_end_before_the_leaders_is_none(make_shard: MakeShard, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = make_shard("a")
    shard.open()
    shard.commit((b"early", b"1"))
    heir = make_shard("b")
    heir.producer.open()
    log_range = ChangelogReader.log_range

    def leaders(reader: ChangelogReader, partition: int, **options: timedelta) -> tuple[int, int]:
        # One record and its marker more than the follower has that is read from.
        low, high = log_range(reader, partition, **options)
        return low, high + 2

    def catch_up(_reached: int, _end: int) -> None:
        # After the first end was met.
        if heir.store.get(b"late") is None:
            heir.commit((b"late", b"1"))

    monkeypatch.setattr(ChangelogReader, "log_range", leaders)
    replay(
        heir.connection,
        heir.changelog,
        partition=PARTITION,
        store=heir.store,
        stop=heir.stop,
        on_progress=catch_up,
        clock=WorkerClock(),
    )
    assert heir.store.get(b"late") == b"1"


def test_a_database_at_the_end_replays_nothing_and_is_as_of_now(make_shard: MakeShard) -> None:
    shard = make_shard("live")
    shard.open()
    shard.cycle((b"a", b"1"))
    before = datetime.now(UTC)
    assert shard.follow().count == 0
    assert shard.store.standing is not None
    assert shard.store.standing.as_of >= before


def test_a_database_too_old_for_the_tombstones_is_wiped(make_shard: MakeShard) -> None:
    shard = make_shard("old")
    shard.open()
    shard.cycle((b"a", b"1"))
    shard.store.write([(b"ghost", b"1")], changelog_offset=0, as_of=datetime.now(UTC) - timedelta(hours=25))
    replayed = shard.follow()
    assert "deletions since" in (replayed.wiped or "")
    assert shard.contents() == [(b"a", b"1")]


def test_a_database_of_another_topic_is_wiped(make_shard: MakeShard) -> None:
    shard = make_shard("other")
    shard.open()
    shard.cycle((b"a", b"1"))
    shard.store.adopt("another topic's id")
    shard.store.write([(b"ghost", b"1")], changelog_offset=0, as_of=datetime.now(UTC))
    assert "another topic's id" in (shard.follow().wiped or "")
    assert shard.contents() == [(b"a", b"1")]


def test_a_database_that_has_what_the_brokers_lost_closes_the_partition_and_is_kept(
    make_shard: MakeShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "PATIENCE", timedelta(seconds=1))
    shard = make_shard("ahead")
    shard.open()
    shard.cycle((b"a", b"1"))
    shard.store.write([(b"lost", b"1")], changelog_offset=1_000, as_of=datetime.now(UTC) - timedelta(days=3))
    with pytest.raises(StateLostError, match=r"those up to 1000: keep a copy of it\..*delete that folder") as closed:
        shard.follow()
    assert str(shard.store.path) in str(closed.value)
    assert shard.contents() == [(b"a", b"1"), (b"lost", b"1")]


def test_an_end_that_lags_behind_the_database_is_asked_for_again(
    make_shard: MakeShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = make_shard("lagging")
    shard.open()
    shard.cycle((b"a", b"1"))
    log_range = ChangelogReader.log_range
    answers = iter([0, 0])

    def lagging(reader: ChangelogReader, partition: int, **options: timedelta) -> tuple[int, int]:
        low, high = log_range(reader, partition, **options)
        return low, next(answers, high)

    monkeypatch.setattr(ChangelogReader, "log_range", lagging)
    assert shard.follow().wiped is None
    assert next(answers, None) is None
    assert shard.contents() == [(b"a", b"1")]


def test_a_replay_that_outlasts_the_tombstones_closes_the_partition(make_shard: MakeShard) -> None:
    shard = make_shard("slow")
    shard.changelog = replace(shard.changelog, tombstone_life=timedelta(0))
    shard.producer.open()
    with pytest.raises(ShardClosedError, match=r"delete\.retention\.ms"):
        shard.follow()


@pytest.fixture
def quickly_compacted(connection: Connection) -> ChangelogTopic:
    """A changelog that drops deleted keys, and soon the deletions themselves."""
    name = Topics(connection.namespace).state
    options = {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        "segment.bytes": "1048576",
        "segment.ms": "200",
        "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "1",
        "max.compaction.lag.ms": "1000",
        "max.message.bytes": "2000000",
    }
    Cluster(connection).create([TopicSpec(name=name, exactly=options)], partitions=1, replication_factor=1)
    create_topics(connection, replication_factor=1)
    return ask_logs(Cluster(connection), stop=threading.Event()).changelog


def first_offsets(connection: Connection, topic: str) -> list[int | None]:
    """The offsets that a new reader sees first."""
    consumer = Consumer({**connection.librdkafka(group_id="look", enable_auto_commit=False)})
    consumer.assign([TopicPartition(topic, PARTITION, 0)])
    try:
        return [message.offset() for message in consumer.consume(20, 5.0)]
    finally:
        consumer.close()


@pytest.mark.timeout(90)
def test_an_old_database_that_returns_after_compaction_does_not_raise_the_dead(
    connection: Connection, quickly_compacted: ChangelogTopic, tmp_path: Path
) -> None:
    old = Shard(connection, tmp_path / "old", quickly_compacted)
    old.changelog = replace(quickly_compacted, tombstone_life=timedelta(days=1))
    old.open()
    old.cycle((b"deleted", b"1"), (b"kept", b"1"))
    old.close()
    owner = Shard(connection, tmp_path / "owner", replace(quickly_compacted, tombstone_life=timedelta(days=1)))
    owner.open()
    owner.cycle((b"deleted", None))
    # Each round closes a segment, which is what the cleaner takes up; the deletion follows two records and a marker.
    while 3 in first_offsets(connection, quickly_compacted.name):
        owner.cycle((b"kept", b"2"))
    live = owner.contents()
    owner.close()
    trusting = Shard(connection, tmp_path / "old", replace(quickly_compacted, tombstone_life=timedelta(days=1)))
    trusting.open()
    # Without the rule, the deleted key lives: this is what it protects against.
    assert (b"deleted", b"1") in trusting.contents()
    trusting.changelog = replace(quickly_compacted, tombstone_life=timedelta(minutes=10))
    assert "deletions since" in (trusting.follow().wiped or "")
    assert trusting.contents() == live
    trusting.close()


def test_a_stop_ends_a_replay_and_the_next_one_goes_on_where_it_stopped(make_shard: MakeShard) -> None:
    live = make_shard("live")
    live.open()
    for first in range(0, 30_000, 5_000):
        live.cycle(*[(b"k%06d" % number, b"x" * 200) for number in range(first, first + 5_000)])
    stopped = make_shard("stopped")
    stopped.producer.open()
    with pytest.raises(StoppedError):
        replay(
            stopped.connection,
            stopped.changelog,
            partition=PARTITION,
            store=stopped.store,
            stop=stopped.stop,
            on_progress=lambda _done, _total: stopped.stop.set(),
            clock=WorkerClock(),
        )
    reached = len(stopped.contents())
    assert 0 < reached < 30_000
    stopped.stop.clear()
    assert stopped.follow().count == 30_000 - reached
    assert stopped.contents() == live.contents()


def test_a_replay_of_an_old_log_that_was_stopped_goes_on_too(connection: Connection, tmp_path: Path) -> None:
    name = Topics(connection.namespace).state
    options = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    Cluster(connection).create([TopicSpec(name=name, exactly=options)], partitions=1, replication_factor=1)
    create_topics(connection, replication_factor=1)
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    producer = Producer(connection.librdkafka())
    for number in range(20_000):
        producer.produce(name, b"v", b"k%05d" % number, PARTITION, timestamp=int(two_days_ago.timestamp() * 1000))
    assert producer.flush(30) == 0
    shard = Shard(connection, tmp_path, ask_logs(Cluster(connection), stop=threading.Event()).changelog)
    with pytest.raises(StoppedError):
        replay(
            connection,
            shard.changelog,
            partition=PARTITION,
            store=shard.store,
            stop=shard.stop,
            on_progress=lambda _done, _total: shard.stop.set(),
            clock=WorkerClock(),
        )
    reached = len(shard.contents())
    shard.stop.clear()
    replayed = shard.follow()
    assert (replayed.count, replayed.wiped) == (20_000 - reached, None)
    shard.close()


def test_a_changelog_that_is_missing_closes_the_partition(make_shard: MakeShard) -> None:
    shard = make_shard("missing")
    shard.changelog = replace(shard.changelog, name=f"{shard.changelog.name}-missing")
    with pytest.raises(ShardClosedError, match="cannot be read"):
        shard.follow()


def test_without_a_broker_the_address_is_named(tmp_path: Path) -> None:
    nowhere = ChangelogTopic(name="state", topic_id="first", tombstone_life=timedelta(days=1))
    shard = Shard(Connection("localhost:1"), tmp_path, nowhere)
    with pytest.raises(BrokerUnreachableError, match="localhost:1"):
        shard.follow()
    shard.close()
