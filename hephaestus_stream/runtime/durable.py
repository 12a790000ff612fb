"""The durable half of a shard: fencing, changelog, database and position, in the order that makes them safe."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.blame import OF_NO_INPUT
from hephaestus_stream.cycle.index import INDEX_VERSION, Change, derive
from hephaestus_stream.errors import CommitFailedError, DataFolderError, HephaestusError
from hephaestus_stream.runtime.changelog.logs import Logs, ask_logs
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.replay import replay
from hephaestus_stream.runtime.changelog.store import Store, why_of_wrong_age
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.health import ReplayProgress
from hephaestus_stream.runtime.position import (
    POSITION_KEY,
    Applied,
    Position,
    check_position,
    decode_position,
    encode_position,
    require_applied,
)
from hephaestus_stream.runtime.transaction import TransactionalProducer
from hephaestus_stream.wire.record import OutputRecord

_logger = logging.getLogger(__name__)

_SLOW_REPLAY: Final = 100_000
# Above the byte that the store reserves for its own notes; the position and all tables are not below it.
_FIRST_KEY: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Opened:
    """How a partition was found.

    Attributes:
        position: The next offset to read.
        log_end: The end of the commands at that moment.
        worker_lost: Whether the former owner went without closing.
        last_seen: When the former owner committed for the last time.
        failed: The keys on which the engine failed last, one after the other.
    """

    position: int
    log_end: int
    worker_lost: bool
    last_seen: datetime | None = None
    failed: tuple[str, ...] = ()


class DurableShard:
    """Owns the state of one partition; all methods but `stop` block, and belong into a thread."""

    def __init__(self, origin: Origin, partition: int, clock: WorkerClock | None = None) -> None:
        self._origin = origin
        self._clock = clock or WorkerClock()
        self._partition = partition
        self._stop = threading.Event()
        self._producer = TransactionalProducer(origin.connection, partition=partition, stop=self._stop)
        self._store: Store | None = None
        self._logs: Logs | None = None
        self._followed_from: datetime | None = None
        self._failed: tuple[str, ...] = ()
        self._applied: Applied | None = None
        self.replay = ReplayProgress(0, 0)
        """How far an opening has followed the changelog."""
        self.replayed = 0
        """Records of the changelog that the opening read."""

    @property
    def logs(self) -> Logs:
        """The topics that the partition was opened with."""
        if self._logs is None:
            raise HephaestusError(f"partition {self._partition} is not open")
        return self._logs

    @property
    def store(self) -> Store:
        """The committed state; there once the partition is open."""
        if self._store is None:
            raise HephaestusError(f"partition {self._partition} is not open")
        return self._store

    def stop(self) -> None:
        """Ends whatever blocks, within a slice."""
        self._stop.set()

    def open(self) -> Opened:
        """Fences the former owner, then brings the database up to date, then checks and commits the position.

        Raises:
            ShardClosedError: The position does not fit the topic.
            StoppedError: `stop` was called.
        """
        self._producer.open()
        # Asked for each opening: whatever the worker knew before may have been deleted and made anew.
        logs = self._logs = ask_logs(self._origin.cluster, stop=self._stop)
        self._store = Store(
            self._origin.folder / str(self._partition),
            cache=self._origin.cache,
            derive=derive,
            index_version=INDEX_VERSION,
        )
        self._followed_from = self._replay()
        encoded = self._store.get(POSITION_KEY)
        found = None if encoded is None else decode_position(encoded)
        log = self._origin.commands
        start, end = log.range(self._partition, stop=self._stop)
        position = check_position(
            found,
            topic=log.topic,
            partition=self._partition,
            topic_id=logs.commands_id,
            state_topic_id=logs.changelog.topic_id,
            log_start=start,
            log_end=end,
            group_offset_exists=found is None and log.has_group_offset(self._partition, stop=self._stop),
            state_is_empty=not _has_entries(self._store),
        )
        if found is not None:
            self._failed, self._applied = found.failed, found.applied
        if self._applied is not None:
            there = log.has(self._applied, self._partition, stop=self._stop)
            require_applied(self._applied, topic=log.topic, partition=self._partition, is_there=there)
        self._write(Batch(failed=self._failed), position=position, closed_cleanly=False)
        return Opened(
            position,
            end,
            worker_lost=found is not None and not found.closed_cleanly,
            last_seen=None if found is None else found.committed_at,
            failed=self._failed,
        )

    def commit(self, batch: Batch, *, position: int, applied: Applied | None = None) -> None:
        """Commits a batch with the position that it leads to; only then the database follows.

        Args:
            batch: What a cycle has collected.
            position: The next offset to read.
            applied: The last command of the batch, if it has any.

        Raises:
            FencedError: Another worker owns the partition; nothing of the batch was committed.
        """
        # Nothing is committed beside it: after a failure the worker exits, and the next owner reads what was committed.
        self._applied = applied or self._applied
        self._write(batch, position=position, closed_cleanly=False)

    def close(self, *, position: int | None) -> None:
        """Lets everything go; with a position it is committed that the shard was closed in order."""
        try:
            if position is not None and not self._stop.is_set():
                self._write(Batch(failed=self._failed), position=position, closed_cleanly=True)
        finally:
            self._stop.set()
            self._producer.close()
            if self._store is not None:
                self._store.close()

    def _replay(self) -> datetime | None:
        """Brings the database up to date; returns as of when it was found, unless it was empty or was emptied."""
        replayed = replay(
            self._origin.connection,
            self.logs.changelog,
            partition=self._partition,
            store=self.store,
            stop=self._stop,
            on_progress=self._progress,
            clock=self._clock,
        )
        self.replayed += replayed.count
        return replayed.followed_from

    def _fill_anew(self, appended: datetime | None) -> bool:
        """Fills the database anew if it was too old: only the first commit tells what the brokers' clocks show.

        Until then the database keeps the date that it was found with.
        """
        found, self._followed_from = self._followed_from, None
        if found is None or appended is None:
            return False
        life = self.logs.changelog.tombstone_life
        reason = why_of_wrong_age(found, now=appended, not_after=appended, tombstone_life=life)
        if reason is not None:
            self.store.wipe(reason=reason)
            self._replay()
        return reason is not None

    def _write(self, batch: Batch, *, position: int, closed_cleanly: bool) -> None:
        as_of = self._clock.now()
        logs = self.logs
        record = encode_position(
            Position(
                commands_offset=position,
                commands_topic_id=logs.commands_id,
                state_topic_id=logs.changelog.topic_id,
                closed_cleanly=closed_cleanly,
                committed_at=as_of,
                failed=batch.failed,
                applied=self._applied,
            )
        )
        # The position is the last record of `state`, so its offset is what the database is brought up to.
        changelog = [*batch.changelog(), (POSITION_KEY, record)]
        topic = logs.changelog.name
        offset = self._producer.commit([*batch.outputs, *(OutputRecord(topic, key, value) for key, value in changelog)])
        if offset is None:
            # The batch is committed: no input of it may be taken in again.
            raise CommitFailedError(f"partition {self._partition}: the commit did not tell the offset of the position")
        self._failed = batch.failed
        changes = [*batch.changes.items(), (POSITION_KEY, record)]
        try:
            self._follow(changes, offset=offset, as_of=as_of)
        except (*OF_NO_INPUT, DataFolderError):
            raise
        except Exception as error:
            raise CommitFailedError(
                f"partition {self._partition}: a batch is committed, and its database cannot follow ({error!r}): the "
                f"worker must exit; what was committed is in Kafka"
            ) from error

    def _follow(self, changes: Sequence[Change], *, offset: int, as_of: datetime) -> None:
        """Brings the database up to a commit."""
        observed = self._producer.appended
        appended = None if observed is None else observed.appended
        if observed is not None:
            self._clock.observe(observed)
        if self._fill_anew(appended):
            return
        # Whatever lies beyond the position was appended after it, whatever this machine's clock says.
        self.store.write(changes, changelog_offset=offset, as_of=appended or as_of)

    def _progress(self, reached: int, end: int) -> None:
        self.replay = ReplayProgress(reached, end)
        if end > _SLOW_REPLAY:
            _logger.info("partition %d: replayed %d of %d records", self._partition, reached, end)


def _has_entries(store: Store) -> bool:
    """Whether the changelog left anything in the store, its own notes apart.

    The log's end does not tell: an owner that was killed in its very first commit leaves an aborted record in it.
    """
    return bool(store.scan(b"", start=_FIRST_KEY, limit=1))
