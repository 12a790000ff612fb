"""What a client has seen of one partition of `completions`, and who waits for something in it. No Kafka here."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.pending import settle
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.errors import RecordError
from hephaestus_stream.wire.output import CompletionRecord

MOST_KEPT_RECORDS: Final = 2_000
MOST_KEPT_BYTES: Final = 8 * 1024 * 1024
ALWAYS: Final = -math.inf
# The clocks of two workers differ, and a timestamp is made before its record is written: reading begins earlier.
CLOCKS_SECONDS: Final = 60.0


class Seen(NamedTuple):
    """A record of the topic; `at` is its timestamp in seconds since 1970."""

    offset: int
    key: bytes
    value: bytes
    at: float


@dataclass(slots=True, eq=False)
class CompletionWait:
    """Somebody who waits for the end of a run.

    Attributes:
        key: The business key.
        workflow: The workflow's stored name; counts only where no run is given.
        run: The run; None for whichever run of the workflow and key ended last.
        partition: Where the key's completions are.
        since: No completion of it is older, in seconds since 1970; `ALWAYS` where nobody knows.
        not_before: Ends that came before that do not count: the run has been retried since.
        future: Gets the completion.
        found: What fits, while a later one may still follow.
    """

    key: bytes
    workflow: str
    run: str | None
    partition: int
    since: float
    not_before: datetime | None = None
    future: Future[Completion] = field(default_factory=Future[Completion])
    found: Completion | None = None

    def fits(self, record: CompletionRecord) -> bool:
        """Whether a completion of the key is one that is waited for.

        A run's id says all: where a start found a run instead, that may be another workflow's.
        """
        if self.not_before is not None and record.at < self.not_before:
            return False
        return record.workflow == self.workflow if self.run is None else record.run == self.run

    @property
    def is_final(self) -> bool:
        """Whether what was found cannot be followed by another end of the same run; only a failed one is retried."""
        return self.run is not None and self.found is not None and self.found.status != "failed"


class Scan:
    """One partition from some moment on: the ends of all runs begun since then were seen, up to `position`.

    The latest records are kept, so that many waits, one after the other, read the topic once. A record is looked into
    only when somebody waits for its key.

    Args:
        cipher: Opens the results of what was waited for.

    Attributes:
        since: Runs begun then or later have no end that was missed.
        position: The offset that is read next.
        is_caught_up: Whether everything was seen that stood there when reading began.
    """

    def __init__(self, cipher: Cipher = NO_KEYS) -> None:
        self._cipher = cipher
        self.since = math.inf
        self.position = 0
        self.is_caught_up = False
        self._end = 0
        self._waits: defaultdict[bytes, list[CompletionWait]] = defaultdict(list)
        self._kept: deque[Seen] = deque()
        self._kept_bytes = 0

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits for something in it."""
        self._forget_cancelled()
        return bool(self._waits)

    def begin(self, position: int, *, since: float, end: int) -> None:
        """Reads from here on, since a wait asks for more than was seen.

        Args:
            position: The first offset to read.
            since: Runs begun then or later cannot have ended before it.
            end: Where the log ends now.
        """
        self._kept.clear()
        self._kept_bytes = 0
        self.since = since
        self.position = position
        self.go_on(end=end)

    def go_on(self, *, end: int) -> None:
        """Goes on where reading stopped; the log has grown meanwhile."""
        self._end = end
        self.is_caught_up = self.position >= end

    def add(self, wait: CompletionWait) -> None:
        """Adds a wait, which what is kept may answer at once."""
        self._waits[wait.key].append(wait)
        for seen in self._kept:
            if seen.key == wait.key:
                self._look_into(seen, [wait])
        self._settle([wait])

    def see(self, seen: Seen) -> None:
        """Takes the next record."""
        if seen.offset < self.position:
            return
        self.position = seen.offset + 1
        self._keep(seen)
        waits = self._waits.get(seen.key)
        if waits:
            self._look_into(seen, waits)
            self._settle(list(waits))
        if not self.is_caught_up and self.position >= self._end:
            self.reach_end()

    def reach_end(self) -> None:
        """Nothing is left to read: what was found so far is what waits get."""
        if not self.is_caught_up:
            self.is_caught_up = True
            self._settle([wait for waits in self._waits.values() for wait in waits])

    def fail(self, error: Exception) -> None:
        """Lets all who wait see an error."""
        for wait in self.drop():
            settle(wait.future, error)

    def drop(self) -> Iterator[CompletionWait]:
        """Takes out all waits."""
        waits = [wait for waits in self._waits.values() for wait in waits]
        self._waits.clear()
        yield from waits

    def _keep(self, seen: Seen) -> None:
        self._kept.append(seen)
        self._kept_bytes += len(seen.value)
        while len(self._kept) > MOST_KEPT_RECORDS or self._kept_bytes > MOST_KEPT_BYTES:
            dropped = self._kept.popleft()
            self._kept_bytes -= len(dropped.value)
            # Who asks for a run that began before, reads again.
            self.since = max(self.since, dropped.at + CLOCKS_SECONDS)

    def _look_into(self, seen: Seen, waits: list[CompletionWait]) -> None:
        try:
            record = CompletionRecord.from_bytes(seen.value)
        except RecordError:
            return  # not the engine's: somebody else's mistake must not end a wait
        for wait in waits:
            if wait.fits(record):
                wait.found = Completion.of(record, cipher=self._cipher)

    def _settle(self, waits: list[CompletionWait]) -> None:
        for wait in waits:
            if wait.found is not None and (wait.is_final or self.is_caught_up):
                self._remove(wait)
                settle(wait.future, wait.found)

    def _remove(self, wait: CompletionWait) -> None:
        waits = self._waits[wait.key]
        waits.remove(wait)
        if not waits:
            del self._waits[wait.key]

    def _forget_cancelled(self) -> None:
        cancelled = [wait for waits in self._waits.values() for wait in waits if wait.future.cancelled()]
        for wait in cancelled:
            self._remove(wait)
