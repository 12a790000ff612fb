"""The database of one partition."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes

import pytest
from rocksdict import Cache

from hephaestus_stream.errors import StoreDamagedError, StoreFailedError
from hephaestus_stream.runtime.changelog.store import Change, Standing, Store, destroy, why_untrusted

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CACHE = Cache(8 * 1024 * 1024)

OpenStore = Callable[[Path], Store]


@pytest.fixture
def open_store() -> Generator[OpenStore]:
    with ExitStack() as stores:

        def open_one(path: Path) -> Store:
            store = Store(path, cache=CACHE, derive=by_status)
            store.adopt("first")
            stores.callback(store.close)
            return store

        yield open_one


def by_status(changes: Mapping[bytes, bytes | None], _get: Callable[[bytes], bytes | None]) -> Sequence[Change]:
    """An index over the instances, which are the keys that begin with i."""
    instances = [(key, value) for key, value in changes.items() if key.startswith(b"i")]
    return [(b"running:" + key, b"" if value == b"running" else None) for key, value in instances]


def write(store: Store, *changes: Change, offset: int = 0) -> None:
    store.write(changes, changelog_offset=offset, as_of=NOW)


def test_what_is_written_is_found_and_what_is_deleted_is_not(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, (b"a", b"1"), (b"b", b"2"))
    write(store, (b"a", None), (b"never", None))
    assert store.get(b"a") is None
    assert store.get(b"b") == b"2"
    assert store.get(b"never") is None


def test_the_last_change_of_a_key_in_a_batch_counts(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, (b"a", b"1"), (b"a", None), (b"a", b"3"), (b"b", b"1"), (b"b", None))
    assert (store.get(b"a"), store.get(b"b")) == (b"3", None)


def test_a_scan_is_ordered_and_bounded_by_its_prefix_and_its_limit(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, *[(b"t%d" % number, b"%d" % number) for number in (3, 1, 2)], (b"s", b""), (b"u", b""))
    assert store.scan(b"t", limit=10) == [(b"t1", b"1"), (b"t2", b"2"), (b"t3", b"3")]
    assert store.scan(b"t", limit=2) == [(b"t1", b"1"), (b"t2", b"2")]
    assert store.scan(b"t", start=b"t2", limit=10) == [(b"t2", b"2"), (b"t3", b"3")]
    assert store.scan(b"t", start=b"a", limit=1) == [(b"t1", b"1")]
    assert store.scan(b"t", limit=0) == []


def test_a_scan_of_the_highest_prefix_reaches_the_end(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, (b"\xff\xff", b"1"), (b"\xff\xff\xff", b"2"), (b"\xfe", b"3"))
    assert store.scan(b"\xff\xff", limit=10) == [(b"\xff\xff", b"1"), (b"\xff\xff\xff", b"2")]


def test_derived_entries_follow_each_change(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, (b"i1", b"running"), (b"i2", b"running"), (b"i3", b"completed"))
    assert [key for key, _ in store.scan(b"running:", limit=10)] == [b"running:i1", b"running:i2"]
    write(store, (b"i1", b"completed"), (b"i2", None))
    assert store.scan(b"running:", limit=10) == []


def test_how_far_it_follows_its_changelog_survives_with_the_changes(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.standing is None
    write(store, (b"a", b"1"), offset=41)
    store.close()
    again = open_store(tmp_path)
    assert again.get(b"a") == b"1"
    assert again.standing == Standing(changelog_offset=41, as_of=NOW, topic_id="first", folder=tmp_path.name)


def test_a_copy_taken_without_closing_has_all_or_a_consistent_part(open_store: OpenStore, tmp_path: Path) -> None:
    # What kill -9 leaves behind: files as they are at this moment.
    store = open_store(tmp_path / "live")
    for number in range(200):
        write(store, (b"count", b"%d" % number), offset=number)
    shutil.copytree(tmp_path / "live", tmp_path / "killed" / "live")
    killed = open_store(tmp_path / "killed" / "live")
    assert killed.standing is not None
    assert killed.get(b"count") == b"%d" % killed.standing.changelog_offset


def test_a_key_in_the_reserved_range_is_refused_and_nothing_of_its_batch_written(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ValueError, match="reserved"):
        write(store, (b"a", b"1"), (b"\x00standing", b"x"))
    assert store.get(b"a") is None


def test_a_store_that_follows_no_changelog_takes_no_writes(tmp_path: Path) -> None:
    store = Store(tmp_path, cache=CACHE)
    with pytest.raises(ValueError, match="replay it"):
        write(store, (b"a", b"1"))
    store.close()


def damage_manifest(path: Path) -> None:
    for manifest in path.glob("MANIFEST*"):
        manifest.write_bytes(manifest.read_bytes()[:20] + bytes(50))


def damage_current(path: Path) -> None:
    (path / "CURRENT").write_bytes(b"nonsense")


def lose_tables(path: Path) -> None:
    for table in path.glob("*.sst"):
        table.unlink()


def lose_manifest(path: Path) -> None:
    for manifest in path.glob("MANIFEST*"):
        manifest.unlink()


@pytest.mark.parametrize("damage", [damage_manifest, damage_current, lose_tables, lose_manifest])
def test_a_damaged_folder_is_wiped_with_a_warning(
    open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    store = open_store(tmp_path)
    write(store, (b"a", b"1"))
    store.close()
    damage(tmp_path)
    again = open_store(tmp_path)
    assert again.standing is None
    assert again.get(b"a") is None
    assert "wiping" in caplog.text
    write(again, (b"a", b"2"))
    assert again.get(b"a") == b"2"


def read_one(store: Store) -> object:
    return store.get(b"k1000")


def read_many(store: Store) -> object:
    return store.scan(b"k0", limit=2_000)


@pytest.mark.parametrize("read", [read_one, read_many])
def test_damage_that_only_a_read_finds_is_wiped_at_the_next_opening(
    open_store: OpenStore, tmp_path: Path, read: Callable[[Store], object]
) -> None:
    store = open_store(tmp_path)
    write(store, *[(b"k%04d" % number, token_bytes(100)) for number in range(2_000)])
    store.close()
    for table in tmp_path.glob("*.sst"):
        content = table.read_bytes()
        middle = len(content) // 2
        table.write_bytes(content[: middle - 20_000] + bytes(40_000) + content[middle + 20_000 :])
    again = open_store(tmp_path)
    assert again.standing is not None
    with pytest.raises(StoreDamagedError, match="wiped and replayed"):
        read(again)
    again.close()
    assert open_store(tmp_path).standing is None


def test_damage_where_it_says_how_far_it_follows_is_wiped_at_once(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, *[(b"k%04d" % number, token_bytes(100)) for number in range(2_000)])
    store.close()
    for table in tmp_path.glob("*.sst"):
        table.write_bytes(bytes(10_000) + table.read_bytes()[10_000:])
    again = open_store(tmp_path)
    assert (again.standing, again.get(b"k1000")) == (None, None)


def test_a_database_that_was_moved_to_another_partition_is_not_trusted(
    open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(tmp_path / "3")
    write(store, (b"a", b"1"), offset=41)
    store.close()
    (tmp_path / "3").rename(tmp_path / "5")
    assert open_store(tmp_path / "5").standing is None
    assert "the database of the partition 3" in caplog.text


def test_a_folder_that_another_owner_has_open_is_not_wiped(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, (b"a", b"1"))
    with pytest.raises(Exception, match="lock"):
        open_store(tmp_path)
    assert (tmp_path / "CURRENT").exists()
    assert store.get(b"a") == b"1"


def test_a_wiped_store_is_empty_and_goes_on(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    write(store, (b"a", b"1"))
    store.wipe(reason="a test")
    assert (store.get(b"a"), store.standing) == (None, None)
    write(store, (b"b", b"2"))
    assert store.get(b"b") == b"2"


def test_destroying_leaves_no_folder(open_store: OpenStore, tmp_path: Path) -> None:
    open_store(tmp_path / "store").close()
    destroy(tmp_path / "store")
    destroy(tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_store_that_the_disk_keeps_is_not_trusted_after_its_wipe(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    store = open_store(tmp_path / "store")
    store.adopt("first")
    store.write([(b"deleted meanwhile", b"v")], changelog_offset=1, as_of=NOW)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(StoreFailedError, match=r"cannot be deleted .*Permission denied"):
        store.wipe(reason="it is too old")
    assert store.standing is None
    # Whoever closes what failed to open meets no second error.
    store.close()


def doubt(standing: Standing | None, *, log_start: int = 0) -> str | None:
    return why_untrusted(
        standing,
        topic_id="first",
        index_version=1,
        log_start=log_start,
        now=NOW,
        replay_budget=timedelta(minutes=10),
        tombstone_life=timedelta(days=1),
    )


def follows(offset: int = 50, *, age: timedelta = timedelta(0), topic_id: str = "first", index: int = 1) -> Standing:
    return Standing(changelog_offset=offset, as_of=NOW - age, topic_id=topic_id, folder="3", index=index)


def test_a_young_database_within_its_log_is_trusted() -> None:
    assert doubt(follows(99, age=timedelta(hours=23, minutes=49))) is None
    assert doubt(follows(50), log_start=51) is None


@pytest.mark.parametrize(
    ("standing", "log_start", "reason"),
    [
        (None, 0, "does not say"),
        (follows(topic_id="second"), 0, "replaced by first"),
        (follows(index=0), 0, "has the version 0, and 1 is needed"),
        (follows(50), 52, "the log starts at 52"),
        (follows(age=timedelta(hours=23, minutes=51)), 0, "deletions since"),
    ],
)
def test_a_database_that_came_back_too_late_is_not_trusted(
    standing: Standing | None, log_start: int, reason: str
) -> None:
    assert reason in (doubt(standing, log_start=log_start) or "")
