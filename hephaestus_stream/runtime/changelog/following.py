"""A database on its way along its changelog: whether it may be followed up, from where, and how far it came.

Whoever follows reads a compacted topic, from which deletions disappear some time after they were written. A database
that missed one keeps the key for ever, and no offset tells. So its standing carries a date, `as_of`: whatever deletes
something beyond its offset stays in the log for the deletions' life from that date on. As long as each batch is read
within that life, nothing escapes, whether it is one replay or a standby that follows for months.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from confluent_kafka import Message

from hephaestus_stream.errors import StateLostError
from hephaestus_stream.runtime.changelog.store import Change, Standing, Store, why_untrusted
from hephaestus_stream.runtime.clock import WorkerClock

# The longest replay for which a database is still followed up; a longer one is noticed while it runs.
REPLAY_BUDGET: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogTopic:
    """The `state` topic as the cluster describes it, asked once for all partitions of a worker.

    Attributes:
        name: Its name.
        topic_id: Its id, which a topic made anew does not share.
        tombstone_life: For how long compaction keeps a deletion (`delete.retention.ms`).
    """

    name: str
    topic_id: str
    tombstone_life: timedelta


class DeletionsMissedError(Exception):
    """It took longer than deletions are kept: the database was emptied, and has to begin anew."""


class Following:
    """One database and the changelog that it follows; made when its reading begins.

    Args:
        changelog: The topic.
        store: The database; it is wiped if it cannot be trusted, unless it is the only one to have what it has.
        log_start: The first offset of its partition.
        log_end: The end of its partition.
        clock: What the brokers' clocks show.
        started: A moment by that clock, before anything was asked or read.
        hidden_for: For how long a record may lie in the log before it can be read, being of an open transaction. There
            is none while a new owner replays, which has fenced the former one.

    Attributes:
        next_offset: Where to read on.
        count: How many records were applied.
        wiped: Why the database was emptied first, or None.
        followed_from: As of when the database was found; None if it was empty, or is since.

    Raises:
        StateLostError: The database is ahead of the log's end.
    """

    def __init__(
        self,
        changelog: ChangelogTopic,
        store: Store,
        *,
        log_start: int,
        log_end: int,
        clock: WorkerClock,
        started: datetime,
        hidden_for: timedelta = timedelta(0),
    ) -> None:
        self.store = store
        self.count = 0
        if is_ahead(store.standing, changelog, log_end=log_end):
            raise _lost(changelog, store, log_end=log_end)
        self.wiped = (
            None
            if store.is_empty
            else why_untrusted(
                store.standing,
                topic_id=changelog.topic_id,
                index_version=store.index_version,
                log_start=log_start,
                now=started,
                replay_budget=REPLAY_BUDGET,
                tombstone_life=changelog.tombstone_life,
            )
        )
        if self.wiped is not None:
            store.wipe(reason=self.wiped)
        store.adopt(changelog.topic_id)
        standing = store.standing
        self.followed_from = None if standing is None else standing.as_of
        self._clock = clock
        self._tombstone_life = changelog.tombstone_life
        self._hidden_for = hidden_for
        # What an empty database is given is what the log still has from now on, however old its records are.
        self._as_of = started - hidden_for if standing is None else standing.as_of
        # Until the end is reached for the first time this is the date that the database was found with: only the log's
        # own dates tell how long ago that is, if the clock is wrong, and none may make the database look younger.
        self._since = self._as_of
        self._catches_up = True
        self.next_offset = log_start if standing is None else standing.changelog_offset + 1

    def apply(self, messages: Sequence[Message]) -> None:
        """Write records that were just read.

        Raises:
            DeletionsMissedError: They were read too late.
        """
        last = messages[-1]
        # The log's own clock: whatever lies beyond this record was appended after it.
        appended = datetime.fromtimestamp(last.timestamp()[1] / 1000, UTC)
        self._require_in_time(appended)
        changes: list[Change] = []
        for message in messages:
            key = message.key()
            if key is not None:
                changes.append((key, message.value()))
        offset = last.offset() or 0
        self._as_of = max(self._as_of, appended)
        if not self._catches_up:
            self._since = self._as_of
        self.store.write(changes, changelog_offset=offset, as_of=self._as_of)
        self.count += len(messages)
        self.next_offset = offset + 1

    def at_end(self, end: int, *, seen_at: datetime | None = None) -> None:
        """Note that the log ended here.

        Args:
            end: The offset that its next record will get.
            seen_at: A moment at which it did, or before, if one is known.

        Raises:
            DeletionsMissedError: The end was reached too late.
        """
        self._require_in_time(self._as_of)
        if seen_at is not None:
            self._as_of = max(self._as_of, seen_at - self._hidden_for)
        self._since, self._catches_up = self._as_of, False
        self.next_offset = max(self.next_offset, end)
        if end > 0:
            self.store.write((), changelog_offset=self.next_offset - 1, as_of=self._as_of)

    def _require_in_time(self, appended: datetime) -> None:
        now = self._clock.of_brokers()
        if max(now - self._as_of, appended - self._since) > self._tombstone_life:
            self.store.wipe(reason="following its changelog took longer than deletions are kept")
            raise DeletionsMissedError


def is_ahead(standing: Standing | None, changelog: ChangelogTopic, *, log_end: int) -> bool:
    """Whether a database knows records of this very topic that the log does not have, or not yet."""
    return standing is not None and standing.topic_id == changelog.topic_id and standing.changelog_offset >= log_end


def _lost(changelog: ChangelogTopic, store: Store, *, log_end: int) -> StateLostError:
    standing = store.standing
    reached = log_end if standing is None else standing.changelog_offset
    return StateLostError(
        f"{changelog.name}[{store.path.name}] stays closed: the brokers lost records of state: the log ends at "
        f"{log_end}, and the database in {store.path} still has those up to {reached}: keep a copy of it. To accept "
        f"the loss, delete that folder"
    )
