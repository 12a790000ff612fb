"""The database of one partition: what the changelog says, plus what is derived from it.

The write-ahead log is on and never synced. A lost tail is no loss, since the changelog offset is written in the same
batch as the changes and replay goes on from it; but with the log a killed worker finds all it wrote in the system's
page cache, for a tenth more CPU, and a quiet partition's `as_of` does not wait days for its memtable to fill.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self, cast

import msgspec
from rocksdict import Cache, Rdict, RdictIter, ReadOptions, WriteBatch

from hephaestus_stream.cycle.committed import end_of
from hephaestus_stream.errors import DataFolderError, HephaestusError, StoppedError, StoreDamagedError, StoreFailedError
from hephaestus_stream.runtime.changelog.store_options import store_options
from hephaestus_stream.runtime.clock import TOLERANCE
from hephaestus_stream.runtime.exhaustion import exhaustion_of

log = logging.getLogger(__name__)

Change = tuple[bytes, bytes | None]
Derive = Callable[[Mapping[bytes, bytes | None], Callable[[bytes], bytes | None]], Sequence[Change]]
"""Makes the entries that follow from a batch, for which it may read what was there before."""

RESERVED: Final = b"\x00"
_STANDING_KEY: Final = RESERVED + b"standing"
# Written when a read finds damage, which opening does not see: the next opening wipes the folder.
_DAMAGE_MARK: Final = "DAMAGED"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a database follows its changelog, written in one batch with what it tells about.

    Attributes:
        changelog_offset: The last offset that is applied.
        as_of: What deletes something beyond that offset stays in the log for the life of deletions from then on.
        topic_id: The changelog topic's id; one that was deleted and made anew has another.
        folder: The name of the folder it was written in, which is the partition's number.
        index: The version of what is derived in it.
    """

    changelog_offset: int
    as_of: datetime
    topic_id: str
    folder: str
    index: int = 0


# Made here: threads that were the first to look into a type, at once, would find it half made.
_DECODER: Final = msgspec.json.Decoder(Standing)


def nothing_derived(_changes: Mapping[bytes, bytes | None], _get: Callable[[bytes], bytes | None]) -> Sequence[Change]:
    """The `derive` of a store without indexes."""
    return ()


class Store:
    """A sorted map of bytes to bytes that is never ahead of what Kafka committed.

    Args:
        path: The folder of this partition alone; it is made if it does not exist, and wiped if it is damaged.
        cache: The block cache, one for all partitions of the worker.
        derive: Makes the entries that follow from a batch of changes. They go into the same batch, in `write` and in
            replay, and never into the changelog.
        index_version: That of what is derived; a database with another one is not followed up, but filled anew.
    """

    def __init__(self, path: Path, *, cache: Cache, derive: Derive = nothing_derived, index_version: int = 0) -> None:
        self.path = path
        self.index_version = index_version
        self._cache = cache
        self._derive = derive
        self._database, self._standing = self._open_or_wipe()
        self._topic_id = self._standing.topic_id if self._standing else None
        self._closed = False
        self._readers = threading.Condition()
        self._reading = 0

    @property
    def standing(self) -> Standing | None:
        """How far this database follows its changelog; None when it is empty."""
        return self._standing

    @property
    def is_closed(self) -> bool:
        """Whether it is closed, or will be once nobody reads: who reads for long asks, and ends."""
        return self._closed

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it, as in a folder that was just made."""
        return not self.scan(b"", limit=1)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        try:
            return cast(bytes | None, self._database.get(key))
        except Exception as error:
            raise self._failure(error) from error

    def scan(
        self, prefix: bytes, *, start: bytes | None = None, end: bytes | None = None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` entries whose keys have the prefix, in the order of their keys.

        Args:
            prefix: Of the keys.
            start: The first key that counts.
            end: The first key that counts no more.
            limit: How many at most.
            reverse: Whether the last ones are wanted, the last one first.
        """
        first, bound = _bounds(prefix, start, end)
        options = ReadOptions()
        if bound is not None:
            options.set_iterate_upper_bound(bound)
        try:
            return _entries(self._database.iter(options), first, bound, limit=limit, reverse=reverse)
        except Exception as error:
            raise self._failure(error) from error

    @contextmanager
    def reading(self) -> Generator[Self]:
        """For those who read beside the cycles, from threads of their own: it is not closed before the end of a block.

        Each scan sees one moment, and each further one a later one: rocksdict's snapshots hold for single keys alone.

        Raises:
            StoppedError: The store is closed.
        """
        with self._readers:
            if self._closed:
                raise StoppedError(f"{self.path} is closed")
            self._reading += 1
        try:
            yield self
        finally:
            with self._readers:
                self._reading -= 1
                self._readers.notify_all()

    def adopt(self, topic_id: str) -> None:
        """Name the changelog topic that the following batches come from."""
        self._topic_id = topic_id

    def write(self, changes: Sequence[Change], *, changelog_offset: int, as_of: datetime) -> None:
        """Write changes, what derives from them, and how far they bring this database, in one batch.

        Args:
            changes: New values; None deletes. The last change of a key counts.
            changelog_offset: The offset of the last of them in the changelog.
            as_of: A moment before the changes' transaction began to commit, or the log's own time of the last of them:
                any record beyond `changelog_offset` must be younger.

        Raises:
            ValueError: A key starts with the reserved byte, or no changelog was ever adopted.
        """
        if self._topic_id is None:
            raise ValueError(f"{self.path} follows no changelog yet: replay it before the first write")
        batch = WriteBatch(raw_mode=True)
        last = dict(changes)
        for key, value in (*last.items(), *self._derive(last, self.get)):
            _put(batch, key, value)
        standing = Standing(
            changelog_offset=changelog_offset,
            as_of=as_of,
            topic_id=self._topic_id,
            folder=self.path.name,
            index=self.index_version,
        )
        batch.put(_STANDING_KEY, msgspec.json.encode(standing))
        try:
            self._database.write(batch)
        except Exception as error:
            raise self._failure(error) from error
        self._standing = standing

    def wipe(self, *, reason: str) -> None:
        """Empty the database, because it cannot be trusted; replay fills it again.

        Raises:
            StoreFailedError: The disk keeps it.
        """
        log.warning("wiping %s, it will be replayed from its changelog: %s", self.path, reason)
        self.close()
        self._standing = None
        destroy(self.path)
        self._database = self._open()
        self._closed = False
        if not self.is_empty:
            raise _not_deleted(self.path, "its entries are still there")

    def close(self) -> None:
        """Write what is in memory to disk and let the folder go, once nobody reads; a second call does nothing."""
        with self._readers:
            if self._closed:
                return
            self._closed = True
            # An iterator keeps the folder, which another shard may open next.
            self._readers.wait_for(lambda: self._reading == 0)
        self._database.close()

    def _open_or_wipe(self) -> tuple[Rdict, Standing | None]:
        if (self.path / _DAMAGE_MARK).exists():
            log.warning("wiping %s, it will be replayed from its changelog: a read found damage", self.path)
            destroy(self.path)
        try:
            database = self._open()
            try:
                return database, self._read_standing(database)
            except HephaestusError:
                database.close()
                raise
        except StoreDamagedError as error:
            log.warning("wiping %s, it will be replayed from its changelog: %s", self.path, error.__cause__)
        destroy(self.path)
        return self._open(), None

    def _open(self) -> Rdict:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            return Rdict(str(self.path), store_options(self._cache))
        except Exception as error:
            raise self._failure(error) from error

    def _read_standing(self, database: Rdict) -> Standing | None:
        try:
            encoded = cast(bytes | None, database.get(_STANDING_KEY))
        except Exception as error:
            raise self._failure(error) from error
        if encoded is None:
            return None
        try:
            standing = _DECODER.decode(encoded)
        except msgspec.DecodeError as error:
            # Another version's, or garbage: without it nothing here can be trusted, and the replay will say so.
            log.warning("%s: its standing cannot be read: %s", self.path, error)
            return None
        if standing.folder != self.path.name:
            # No offset would tell: the partitions of a topic have the same ones.
            log.warning("%s: it was moved here, and is the database of the partition %s", self.path, standing.folder)
            return None
        return standing

    def _failure(self, error: Exception) -> HephaestusError:
        """The error to raise for one of RocksDB's, all of which have the type `Exception`."""
        if _is_damage(error):
            with suppress(OSError):  # without the mark the damage is found again
                (self.path / _DAMAGE_MARK).touch()
            return StoreDamagedError(f"{self.path} is damaged ({error}): it is wiped and replayed when it opens again")
        if _is_locked(error):
            return DataFolderError(
                f"{self.path} is open in another process ({error}): give each worker a folder of its own with "
                f"`--data`, HEPHAESTUS_DATA or the setting `data`"
            )
        return exhaustion_of(error) or StoreFailedError(
            f"{self.path} cannot be read or written ({error}): look at the disk and at the folder's owner and rights; "
            f"what was committed is in Kafka, so the folder may be deleted"
        )


def _bounds(prefix: bytes, start: bytes | None, end: bytes | None) -> tuple[bytes, bytes | None]:
    """The first key that counts, and the first that counts no more."""
    bounds = [bound for bound in (end_of(prefix), end) if bound is not None]
    return max(start or prefix, prefix), min(bounds, default=None)


def _entries(
    iterator: RdictIter, first: bytes, bound: bytes | None, *, limit: int, reverse: bool
) -> list[tuple[bytes, bytes]]:
    if not reverse:
        iterator.seek(first)
        step = iterator.next
    elif bound is None:
        iterator.seek_to_last()
        step = iterator.prev
    else:
        iterator.seek_for_prev(bound)
        step = iterator.prev
        if iterator.valid() and iterator.key() == bound:
            step()
    entries: list[tuple[bytes, bytes]] = []
    while iterator.valid() and len(entries) < limit and first <= (key := iterator.key()):
        if bound is not None and key >= bound:
            break
        entries.append((key, iterator.value()))
        step()
    # Damage looks like the end, and `items()` takes it for that: only the status tells.
    iterator.status()
    return entries


def destroy(path: Path) -> None:
    """Delete the folder of a store that is closed; none is fine.

    Raises:
        StoreFailedError: The disk keeps it.
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        shutil.rmtree(path, ignore_errors=True)
    except OSError as error:
        raise _not_deleted(path, str(error)) from error
    if path.exists():
        raise _not_deleted(path, "the folder is still there")


def _not_deleted(path: Path, reason: str) -> StoreFailedError:
    return StoreFailedError(
        f"{path} cannot be trusted, and cannot be deleted ({reason}): look at the disk and at the folder's owner and "
        f"rights, or delete it by hand; what was committed is in Kafka"
    )


def why_untrusted(
    standing: Standing | None,
    *,
    topic_id: str,
    index_version: int,
    log_start: int,
    now: datetime,
    replay_budget: timedelta,
    tombstone_life: timedelta,
) -> str | None:
    """Why a database must be wiped before replay, or None if it may be followed up.

    Once compaction has taken a tombstone away, a database that had not seen it keeps the key for ever, and no offset
    tells: hence the age, with what the replay may take added to it.
    """
    if standing is None:
        return "it does not say how far it follows its changelog"
    if standing.topic_id != topic_id:
        return f"it follows a topic of the id {standing.topic_id}, which was replaced by {topic_id}"
    if standing.index != index_version:
        return f"what it derives has the version {standing.index}, and {index_version} is needed"
    if standing.changelog_offset + 1 < log_start:
        return f"the log starts at {log_start} only, it knows all up to {standing.changelog_offset}"
    return why_of_wrong_age(standing.as_of, now=now + replay_budget, not_after=now, tombstone_life=tombstone_life)


def why_of_wrong_age(as_of: datetime, *, now: datetime, not_after: datetime, tombstone_life: timedelta) -> str | None:
    """Why a database of this date cannot be followed up, or None.

    Args:
        as_of: Its date.
        now: When the last of its changelog is read.
        not_after: What it cannot be younger than, if the clock that it was dated by was right.
        tombstone_life: For how long compaction keeps a deletion.
    """
    if now - as_of > tombstone_life:
        return f"it is as of {as_of}, deletions since may have left the log after {tombstone_life}"
    if as_of > not_after + TOLERANCE:
        return f"it is as of {as_of}, which is still to come: it was dated by a wrong clock"
    return None


def _put(batch: WriteBatch, key: bytes, value: bytes | None) -> None:
    if key.startswith(RESERVED):
        raise ValueError(f"the key {key!r} starts with the reserved byte 0: let it start with another")
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)


def _is_damage(error: Exception) -> bool:
    # RocksDB's kinds of error reach Python as text only. A folder that lacks a file is damaged; one that another owner
    # has locked is not.
    return any(words in str(error) for words in ("Corruption", "No such file or directory"))


def _is_locked(error: Exception) -> bool:
    # Held by another process, or by this one.
    return "lock file" in str(error) or "lock hold by current process" in str(error)
