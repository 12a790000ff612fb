"""Copies of partitions that another worker owns, on a real Kafka: how they follow, and how they are handed over."""

# Some tests let a standby meet what takes a day, or a broken disk:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage]
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage]
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
)
from rocksdict import Cache

from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.index import INDEX_VERSION
from hephaestus_stream.runtime.changelog import standby, standbys
from hephaestus_stream.runtime.changelog.logs import ask_logs
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.reader import ChangelogReader
from hephaestus_stream.runtime.changelog.standbys import Standbys
from hephaestus_stream.runtime.changelog.store import Derive, Store, nothing_derived
from hephaestus_stream.runtime.clock import Observation, WorkerClock, uptime
from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.durable import DurableShard, Opened
from hephaestus_stream.runtime.position import POSITION_KEY
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

PARTITIONS = 3
SENT_WITHIN = 20.0
Eventually = Callable[[Callable[[], bool]], None]


class Owner:
    """The worker that owns a partition, and commits what it is told."""

    def __init__(self, origin: Origin, partition: int) -> None:
        self.shard = DurableShard(origin, partition)
        self.opened: Opened = self.shard.open()

    def commit(self, changes: Mapping[bytes, bytes | None]) -> None:
        self.shard.commit(Batch(changes=dict(changes)), position=self.opened.position)

    def contents(self) -> dict[bytes, bytes]:
        entries = self.shard.store.scan(b"", limit=100_000)
        return {key: value for key, value in entries if key[:1] not in {b"\0", POSITION_KEY[:1]}}

    def close(self) -> None:
        self.shard.close(position=None)


@pytest.fixture
def origins(connection: Connection, tmp_path: Path) -> Generator[Callable[[str], Origin]]:
    """Where the state of a worker of this name comes from; each has a folder of its own."""
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    origin = Origin.of(connection, folder=tmp_path, cache=Cache(8_000_000))
    yield lambda name: replace(origin, folder=tmp_path / name)
    origin.close()


@pytest.fixture
def stack() -> Generator[ExitStack]:
    with ExitStack() as closing:
        yield closing


@pytest.fixture
def own(origins: Callable[[str], Origin], stack: ExitStack) -> Callable[[str, int], Owner]:
    def own(name: str, partition: int) -> Owner:
        owner = Owner(origins(name), partition)
        stack.callback(owner.close)
        return owner

    return own


@pytest.fixture
def followers(origins: Callable[[str], Origin], stack: ExitStack) -> Callable[[str], Standbys]:
    def follow(name: str) -> Standbys:
        followers = Standbys(origins(name), WorkerClock())
        stack.callback(followers.close)
        return followers

    return follow


def set_option(connection: Connection, topic: str, name: str, value: str) -> None:
    admin = AdminClient(connection.librdkafka())
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for done in cast("Any", admin).incremental_alter_configs([resource]).values():
        done.result(SENT_WITHIN)


def are_up_to_date(followers: Standbys, partitions: set[int]) -> Callable[[], bool]:
    return lambda: followers.behind() == dict.fromkeys(partitions, 0)


def test_a_standby_that_takes_over_replays_the_small_rest_only(
    own: Callable[[str, int], Owner], followers: Callable[[str], Standbys], eventually: Eventually
) -> None:
    owner = own("owner", 0)
    for number in range(50):
        owner.commit({b"n%d" % number: b"v", b"gone": b"soon"})
    heir = followers("heir")
    heir.follow(frozenset({0}))
    eventually(are_up_to_date(heir, {0}))
    # It follows on, deletions included, and only what comes after it was let go of is left.
    owner.commit({b"late": b"v", b"gone": None})
    eventually(lambda: has(heir, 0, offset_of(owner)))
    heir.let_go(frozenset({0}))
    owner.commit({b"latest": b"v"})

    promoted = own("heir", 0)

    assert promoted.contents() == owner.contents()
    assert b"gone" not in promoted.contents()
    # The record of the last commit and its position.
    assert promoted.shard.replayed == 2


def offset_of(owner: Owner) -> int:
    """The changelog offset of the owner's last record."""
    standing = owner.shard.store.standing
    assert standing is not None
    return standing.changelog_offset


def has(followers: Standbys, partition: int, offset: int) -> bool:
    following = followers._standbys.get(partition)
    return following is not None and following.next_offset > offset


def test_one_thread_follows_many_partitions_and_a_new_one_does_not_rewind_the_others(
    own: Callable[[str, int], Owner],
    followers: Callable[[str], Standbys],
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger=standbys.__name__)
    owners = [own("owner", partition) for partition in range(PARTITIONS)]
    for owner in owners:
        owner.commit({b"n": b"v"})
    before = threading.active_count()
    follower = followers("follower")
    follower.follow(frozenset({0, 1}))
    eventually(are_up_to_date(follower, {0, 1}))
    follower.follow(frozenset({0, 1, 2}))
    eventually(are_up_to_date(follower, {0, 1, 2}))

    assert threading.active_count() == before + 1
    # Each partition's first position, the record and its position, and no record twice.
    eventually(lambda: "up to date: the standbys of the partitions 0, 1, 2, after 9 records" in caplog.text)


def test_what_is_followed_no_more_stays_in_its_folder(
    origins: Callable[[str], Origin],
    own: Callable[[str, int], Owner],
    followers: Callable[[str], Standbys],
    eventually: Eventually,
) -> None:
    owner = own("owner", 1)
    owner.commit({b"n": b"v"})
    follower = followers("follower")
    follower.follow(frozenset({1}))
    eventually(are_up_to_date(follower, {1}))
    follower.follow(frozenset())
    eventually(lambda: follower.behind() == {})

    origin = origins("follower")
    left = Store(origin.folder / "1", cache=origin.cache, index_version=INDEX_VERSION)
    assert left.get(b"n") == b"v"
    left.close()


def test_a_standby_never_sees_what_is_not_committed(
    connection: Connection,
    followers: Callable[[str], Standbys],
    origins: Callable[[str], Origin],
    eventually: Eventually,
) -> None:
    producer = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-0"))
    producer.init_transactions(SENT_WITHIN)
    send(producer, connection, b"nept")
    producer.commit_transaction(SENT_WITHIN)
    before = datetime.now(UTC)
    send(producer, connection, b"open")
    follower = followers("follower")
    follower.follow(frozenset({0}))
    eventually(are_up_to_date(follower, {0}))
    follower.let_go(frozenset({0}))

    origin = origins("follower")
    copy = Store(origin.folder / "0", cache=origin.cache, index_version=INDEX_VERSION)
    assert (copy.get(b"nept"), copy.get(b"open")) == (b"v", None)
    standing = copy.standing
    copy.close()
    assert standing is not None
    # What the open transaction deletes is older than the reading: the date must not pass over it.
    assert standing.as_of < before
    producer.abort_transaction(SENT_WITHIN)


def send(producer: Producer, connection: Connection, key: bytes) -> None:
    producer.begin_transaction()
    producer.produce(Topics(connection.namespace).state, b"v", key, partition=0)
    assert producer.flush(SENT_WITHIN) == 0


def test_a_folder_that_cannot_be_trusted_is_filled_anew(
    origins: Callable[[str], Origin],
    own: Callable[[str, int], Owner],
    followers: Callable[[str], Standbys],
    eventually: Eventually,
) -> None:
    owner = own("owner", 0)
    owner.commit({b"n": b"v"})
    origin = origins("heir")
    old = Store(origin.folder / "0", cache=origin.cache, index_version=INDEX_VERSION)
    old.adopt(owner.shard.logs.changelog.topic_id)
    old.write([(b"risen", b"v")], changelog_offset=0, as_of=datetime.now(UTC) - timedelta(days=2))
    old.close()
    heir = followers("heir")
    heir.follow(frozenset({0}))
    eventually(are_up_to_date(heir, {0}))
    heir.let_go(frozenset({0}))

    assert own("heir", 0).contents() == owner.contents() == {b"n": b"v"}


def test_a_database_that_is_damaged_while_it_is_followed_is_filled_anew(
    own: Callable[[str, int], Owner],
    followers: Callable[[str], Standbys],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standbys, "_REST", timedelta(milliseconds=100))
    owner = own("owner", 0)
    owner.commit({b"n": b"v"})
    heir = followers("heir")
    heir.follow(frozenset({0}))
    eventually(are_up_to_date(heir, {0}))
    damaged = heir._standbys[0]
    store = damaged._store

    def write(*_: object, **__: object) -> None:
        raise store._failure(Exception("Corruption: block checksum mismatch"))

    monkeypatch.setattr(store, "write", write)
    owner.commit({b"later": b"v"})
    eventually(lambda: 0 in heir._standbys and heir._standbys[0] is not damaged and has(heir, 0, offset_of(owner)))
    heir.let_go(frozenset({0}))

    assert own("heir", 0).contents() == owner.contents()


def test_a_copy_is_not_wiped_for_an_end_that_lags_behind_the_last_commit(
    own: Callable[[str, int], Owner],
    followers: Callable[[str], Standbys],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner = own("owner", 0)
    owner.commit({b"n": b"v"})
    last = offset_of(owner)
    owner.close()
    log_range = ChangelogReader.log_range
    answers = iter([last])

    def lagging(reader: ChangelogReader, partition: int, **options: timedelta) -> tuple[int, int]:
        low, high = log_range(reader, partition, **options)
        return low, next(answers, high)

    monkeypatch.setattr(ChangelogReader, "log_range", lagging)
    follower = followers("owner")
    follower.follow(frozenset({0}))
    eventually(are_up_to_date(follower, {0}))
    assert next(answers, None) is None
    assert "wiping" not in caplog.text


def test_a_standby_leaves_a_database_alone_that_has_what_the_brokers_lost_and_says_so_once(
    origins: Callable[[str], Origin],
    followers: Callable[[str], Standbys],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(standbys, "_REST", timedelta(milliseconds=50))
    origin = origins("heir")
    ahead = Store(origin.folder / "0", cache=origin.cache, index_version=INDEX_VERSION)
    ahead.adopt(ask_logs(origin.cluster, stop=threading.Event()).changelog.topic_id)
    ahead.write([(b"lost", b"v")], changelog_offset=1_000, as_of=datetime.now(UTC))
    ahead.close()
    openings: list[Path] = []
    make = Store.__init__

    def opened(store: Store, path: Path, *, cache: Cache, derive: Derive = nothing_derived, index_version: int) -> None:
        make(store, path, cache=cache, derive=derive, index_version=index_version)
        openings.append(path)

    monkeypatch.setattr(Store, "__init__", opened)
    heir = followers("heir")
    heir.follow(frozenset({0}))
    eventually(lambda: len(openings) > 2)
    heir.close()

    kept = Store(origin.folder / "0", cache=origin.cache, index_version=INDEX_VERSION)
    assert kept.get(b"lost") == b"v"
    kept.close()
    assert caplog.text.count("the brokers lost records of state") == 1


def test_a_standby_that_lagged_longer_than_deletions_are_kept_begins_anew(
    connection: Connection,
    origins: Callable[[str], Origin],
    own: Callable[[str, int], Owner],
    stack: ExitStack,
    eventually: Eventually,
) -> None:
    owner = own("owner", 0)
    owner.commit({b"n": b"v"})
    set_option(connection, Topics(connection.namespace).state, "delete.retention.ms", "3600000")
    heir = Standbys(origins("heir"), WorkerClock())
    stack.callback(heir.close)
    heir.follow(frozenset({0}))
    eventually(are_up_to_date(heir, {0}))
    lagging = heir._standbys[0]
    # As after hours without a broker.
    lagging._following._as_of = datetime.now(UTC) - timedelta(hours=2)
    owner.commit({b"later": b"v"})
    eventually(lambda: 0 not in heir._standbys)
    heir.let_go(frozenset({0}))

    promoted = own("heir", 0)
    assert promoted.contents() == owner.contents()
    assert promoted.shard.replayed == 5


def test_a_quiet_partition_does_not_come_of_age(
    own: Callable[[str, int], Owner],
    origins: Callable[[str], Origin],
    stack: ExitStack,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standby, "CONFIRMED_EVERY", timedelta(milliseconds=50))
    monkeypatch.setattr(standby, "_OLDEST_OPEN_TRANSACTION", timedelta(milliseconds=1))
    owner = own("owner", 0)
    owner.commit({b"n": b"v"})
    # A commit of this worker told it the brokers' time.
    clock = WorkerClock()
    clock.observe(Observation(datetime.now(UTC), sent=uptime(), reported=uptime()))
    follower = Standbys(origins("follower"), clock)
    stack.callback(follower.close)
    follower.follow(frozenset({0}))
    eventually(are_up_to_date(follower, {0}))
    now = datetime.now(UTC)

    def is_as_of_now() -> bool:
        standing = follower._standbys[0]._store.standing
        return standing is not None and standing.as_of > now

    eventually(is_as_of_now)


def test_a_standby_that_is_let_go_of_while_it_fills_leaves_what_it_has(
    own: Callable[[str, int], Owner], followers: Callable[[str], Standbys], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standbys, "_BATCH", 100)
    owner = own("owner", 0)
    for first in range(0, 20_000, 1_000):
        owner.commit({b"n%d" % number: b"v" for number in range(first, first + 1_000)})
    heir = followers("heir")
    heir.follow(frozenset({0}))
    while not (following := heir._standbys.get(0)) or following.count < 500:
        threading.Event().wait(0.01)
    heir.let_go(frozenset({0}))
    following = None

    promoted = own("heir", 0)
    assert promoted.contents() == owner.contents()
    assert promoted.shard.replayed < 20_000


def test_letting_go_of_what_nobody_follows_returns_at_once(followers: Callable[[str], Standbys]) -> None:
    follower = followers("follower")
    follower.let_go(frozenset({0, 1}))
    follower.close()
    follower.follow(frozenset({0}))
    assert follower.behind() == {}


def test_without_a_broker_a_standby_holds_nobody_up(origins: Callable[[str], Origin], stack: ExitStack) -> None:
    nobody = Connection("localhost:1", "nobody")
    follower = Standbys(replace(origins("follower"), connection=nobody, cluster=Cluster(nobody)), WorkerClock())
    stack.callback(follower.close)
    follower.follow(frozenset({0}))
    follower.let_go(frozenset({0}))
    assert follower.behind() == {}
