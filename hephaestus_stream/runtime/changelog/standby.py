"""A standby: the copy of a partition that another worker owns, kept close to the end of its changelog."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from confluent_kafka import Message

from hephaestus_stream.cycle.index import INDEX_VERSION, derive
from hephaestus_stream.errors import ShardClosedError
from hephaestus_stream.runtime.changelog.following import Following
from hephaestus_stream.runtime.changelog.logs import ask_logs
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.reader import ChangelogReader, is_end, is_harmless
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.transaction import TRANSACTION_TIMEOUT

# A quiet log tells nothing: its end is asked for, so that the database does not come of age while it misses nothing.
CONFIRMED_EVERY: Final = timedelta(minutes=1)
# Unlike a replay, a standby reads while the owner writes. The brokers end a transaction after its timeout.
_OLDEST_OPEN_TRANSACTION: Final = 2 * TRANSACTION_TIMEOUT
# A partition that is to be handed over waits for the answer, so it is asked for once, and not waited for long. A short
# wait would not do: with the first request that is given up librdkafka ends the connection.
_ANSWER: Final = timedelta(seconds=2)
# The end is that of transactions whose markers are written, which is a moment after the owner's commit returned.
_MARKERS: Final = timedelta(milliseconds=200)


class Standby:
    """Follows one partition from `__init__` to `close`; used by the thread of the standbys alone.

    Args:
        origin: Where state comes from.
        partition: Which.
        reader: The one that reads its records.
        questions: One that reads nothing. A broker answers each client in order, so that questions of the first would
            wait behind its fetches.
        clock: What the brokers' clocks show.

    Attributes:
        partition: Which.
        was_at_end: Whether it ever had all that there was.

    Raises:
        BrokerUnreachableError: No broker answers.
        ShardClosedError: The changelog cannot be read.
        StateLostError: The database is ahead of the changelog's end.
        StoppedError: The reader's `stop` was set.
    """

    def __init__(
        self,
        origin: Origin,
        partition: int,
        *,
        reader: ChangelogReader,
        questions: ChangelogReader,
        clock: WorkerClock,
    ) -> None:
        self.partition = partition
        self.was_at_end = False
        self._clock = clock
        started = clock.of_brokers()
        logs = ask_logs(origin.cluster, stop=questions.stop, patience=_ANSWER)
        low, self._seen_end = questions.log_range(partition, patience=timedelta(0), attempt=_ANSWER)
        self._reader = reader
        self._questions = questions
        self._store = Store(
            origin.folder / str(partition), cache=origin.cache, derive=derive, index_version=INDEX_VERSION
        )
        try:
            if self._is_ahead:
                # It may have been this worker's own commit: a good copy is not wiped for that.
                questions.stop.wait(_MARKERS.total_seconds())
                low, self._seen_end = questions.log_range(partition, patience=timedelta(0), attempt=_ANSWER)
            self._following = Following(
                logs.changelog,
                self._store,
                log_start=low,
                log_end=self._seen_end,
                clock=clock,
                started=started,
                hidden_for=_OLDEST_OPEN_TRANSACTION,
            )
        except BaseException:
            self._store.close()
            raise
        self._is_at_end = False
        self._confirm_at = 0.0

    @property
    def next_offset(self) -> int:
        """Where to read on."""
        return self._following.next_offset

    @property
    def count(self) -> int:
        """How many records it applied."""
        return self._following.count

    @property
    def behind(self) -> int:
        """How many offsets it has before it; the markers of transactions count, too."""
        return 0 if self._is_at_end else max(self._seen_end - self.next_offset, 0)

    @property
    def is_due(self) -> bool:
        """Whether it is time to `confirm`."""
        return self._is_at_end and time.monotonic() >= self._confirm_at

    def take(self, messages: Sequence[Message]) -> None:
        """Apply what was read of its partition.

        Raises:
            DeletionsMissedError: It lagged longer than deletions are kept; the database is empty now.
            ShardClosedError: The changelog cannot be read.
            StoreDamagedError: The database is damaged; it is wiped when it is opened again.
        """
        records = [message for message in messages if message.error() is None]
        if records:
            self._is_at_end = False
            self._following.apply(records)
        for message in messages:
            error = message.error()
            if error is None:
                continue
            if is_end(error):
                self._arrive(message.offset() or 0)
            elif not is_harmless(error):
                raise self._reader.unreadable(self.partition, error)
        self._seen_end = max(self._seen_end, self._reader.seen_end(self.partition))

    def confirm(self) -> None:
        """Ask whether the end is still where it was, and date the database by that.

        A worker that never committed knows of no clock that may date it: then it keeps the date of its last record.

        Raises:
            DeletionsMissedError: It lagged longer than deletions are kept; the database is empty now.
        """
        self._confirm_at = time.monotonic() + CONFIRMED_EVERY.total_seconds()
        asked_at = self._clock.of_brokers() if self._clock.is_held_against_brokers else None
        try:
            _, end = self._questions.log_range(self.partition, patience=timedelta(0), attempt=_ANSWER)
        except ShardClosedError:
            # Nobody answers; there is time enough until the next question.
            return
        if end <= self.next_offset:
            self._following.at_end(end, seen_at=asked_at)

    @property
    def _is_ahead(self) -> bool:
        standing = self._store.standing
        return standing is not None and standing.changelog_offset >= self._seen_end

    def close(self) -> None:
        """Let the database go, for whoever opens it next."""
        self._store.close()

    def _arrive(self, end: int) -> None:
        # An end that was met before the last of the records is none any more.
        if end >= self.next_offset:
            self._following.at_end(end)
            self._is_at_end = self.was_at_end = True
