"""The tables of one shard: what is committed, under the changes of the current cycle.

Every entry has a key of bytes that begins with its table's letter. `k` keys, `i` instances, `h` history, `t` timers and
`c` command ids are changelogged; what `index` has beside them is derived.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime, timedelta
from typing import Final

from hephaestus_stream.core.admission import KeyRecord
from hephaestus_stream.core.input import TimerKind
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.index import ACTIVE, COMMANDS, EXPIRY, HISTORY, INSTANCES, KEYS, NUL, TIME, TIMERS
from hephaestus_stream.cycle.record import (
    AnswerRecord,
    Header,
    TimerRecord,
    decode_answer,
    decode_key,
    decode_state,
    decode_timer,
    encode,
    header_of,
    instant,
    microseconds,
)

# More than are kept of one key.
_MANY_ANSWERS: Final = 10_000
# A record of history stays far below what a record may have.
_CHAPTER_BYTES: Final = 200_000


class _Chapter:
    """Events of one run that make up one record of its history."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.events: list[bytes] = []
        self.size = 0

    def add(self, event: bytes) -> None:
        self.events.append(event)
        self.size += len(event)


class Tables:
    """Reads and writes records by their own names; a run that changes often in a cycle is written once.

    Args:
        committed: What is read where the cycle has not changed it.
        command_retention: How long a command's answer is kept.
    """

    def __init__(self, committed: Committed, *, command_retention: timedelta) -> None:
        self._committed = committed
        self._command_retention = command_retention
        self._changes: dict[bytes, bytes | None] = {}
        self._states: dict[bytes, State] = {}
        self._last_read: tuple[bytes, State | None] = b"", None
        self._retention: dict[bytes, timedelta] = {}
        self._keys: dict[bytes, KeyRecord] = {}
        self._known_keys: dict[bytes, KeyRecord] = {}
        self._outdated: dict[str, int] = {}
        self._history: dict[bytes, list[_Chapter]] = {}

    def state(self, key: str, run: str) -> State | None:
        """A run."""
        place = _instance(key, run)
        if place in self._states:
            return self._states[place]
        value = self._get(place)
        if value is None:
            return None
        # A flood for one key asks for the same again and again.
        if value != self._last_read[0]:
            self._last_read = value, decode_state(value)
        return self._last_read[1]

    def put_state(self, state: State, *, retention: timedelta) -> None:
        """Keeps a run's new state."""
        place = _instance(state.key, state.run)
        self._states[place] = state
        self._retention[place] = retention

    def key_record(self, key: str) -> KeyRecord:
        """What is kept of a key; an empty record for an unknown one."""
        place = KEYS + key.encode()
        record = self._keys.get(place, self._known_keys.get(place))
        if record is None:
            value = self._get(place)
            record = self._known_keys[place] = KeyRecord() if value is None else decode_key(value)
        return record

    def put_key_record(self, key: str, record: KeyRecord) -> None:
        """Keeps a key's record; an empty one is deleted."""
        self._keys[KEYS + key.encode()] = record

    def add_history(self, state: State, sequence: int, event: bytes) -> None:
        """Adds an event, as JSON, to the history that the cycle writes for a run, in as few records as it may."""
        chapters = self._history.setdefault(_instance(state.key, state.run)[1:], [])
        if not chapters or chapters[-1].size + len(event) > _CHAPTER_BYTES:
            chapters.append(_Chapter(sequence))
        chapters[-1].add(event)

    def answer(self, key: str, command: str) -> AnswerRecord | None:
        """The answer that a command got."""
        value = self._get(_command(key, command))
        return None if value is None else decode_answer(value)

    def put_answer(self, key: str, command: str, answer: AnswerRecord, *, number: int) -> None:
        """Keeps the answer to a command, which is the `number`th of its key."""
        expires = microseconds(answer.at + self._command_retention)
        self._changes[_command(key, command)] = encode(answer, Header(expires=expires, number=number))

    def forget_answers(self, key: str, *, before: int) -> None:
        """Deletes the committed answers of a key whose number is below; a cycle looks for them once."""
        self._outdated[key] = before

    def set_timer(self, timer: TimerRecord) -> None:
        """Keeps a timer."""
        self._changes[timer_place(timer)] = encode(timer)

    def clear_timer(self, timer: TimerRecord) -> None:
        """Deletes a timer; one that was set in this very cycle was never there."""
        place = timer_place(timer)
        if self._changes.get(place) is not None and self._committed.get(place) is None:
            del self._changes[place]
        else:
            self._changes[place] = None

    def due_timers(
        self, now: datetime, *, limit: int, start: bytes = b"", held: Container[bytes] = ()
    ) -> list[TimerRecord]:
        """The committed timers from a place on that are due, the earliest first; held places are passed over."""
        end = timer_end(now)
        due: list[TimerRecord] = []
        while len(due) < limit and (entries := self._committed.scan(TIMERS, start=start, end=end, limit=limit)):
            due += [decode_timer(value) for place, value in entries if place not in held]
            start = entries[-1][0] + NUL
        return due[:limit]

    def some_runs(self, limit: int) -> Iterator[State]:
        """Some of the committed runs."""
        for _, value in self._committed.scan(INSTANCES, limit=limit):
            yield decode_state(value)

    def running(self, *, after: bytes | None, limit: int) -> list[tuple[bytes, str, str]]:
        """The committed runs with running steps, as (place, key, run), a page at a time."""
        start = None if after is None else after + NUL
        entries = self._committed.scan(ACTIVE, start=start, limit=limit)
        return [(place, *_key_and_run(place)) for place, _ in entries]

    def expire(self, now: datetime, *, limit: int) -> int:
        """Deletes what is kept no longer; returns how many entries it looked at."""
        end = EXPIRY + TIME.pack(microseconds(now) + 1)
        entries = [place for place, _ in self._committed.scan(EXPIRY, end=end, limit=limit)]
        for entry in entries:
            self._changes[entry] = None
            place = entry[1 + TIME.size :]
            value = self._get(place)
            if value is None or not 0 < header_of(value).expires <= microseconds(now):
                continue
            if place.startswith(INSTANCES):
                self._delete_run(*_key_and_run(place))
            else:
                self._delete_answer(place)
        return len(entries)

    def changes(self) -> dict[bytes, bytes | None]:
        """All changes of the cycle, encoded; None deletes."""
        changes = self._outdated_answers() | self._changes
        for place, state in self._states.items():
            changes[place] = encode(state, self._header(place, state))
        for place, chapters in self._history.items():
            for chapter in chapters:
                first = TIME.pack(chapter.first)
                changes[HISTORY + place + NUL + first] = b"[" + b",".join(chapter.events) + b"]"
        for place, record in self._keys.items():
            changes[place] = encode(record) if record != KeyRecord() else None
        return changes

    def _outdated_answers(self) -> dict[bytes, bytes | None]:
        return {
            place: None
            for key, before in self._outdated.items()
            for place, value in self._committed.scan(_command(key, ""), limit=_MANY_ANSWERS)
            if header_of(value).number < before
        }

    def _header(self, place: bytes, state: State) -> Header:
        # Kept events of a parked run are looked at by whoever takes over, as running steps are.
        running = bool(state.parked) or state.running > 0
        if state.finished_at is None:
            return Header(running=running)
        return Header(running=running, expires=microseconds(state.finished_at + self._retention[place]))

    def _delete_run(self, key: str, run: str) -> None:
        self._changes[_instance(key, run)] = None
        prefix = HISTORY + _instance(key, run)[1:] + NUL
        start: bytes | None = None
        while entries := self._committed.scan(prefix, start=start, limit=1000):
            self._changes.update((place, None) for place, _ in entries)
            start = entries[-1][0] + NUL
        record = self.key_record(key).without_run(run)
        # What is left is only the count of its commands, which numbers their answers.
        self.put_key_record(key, record if record.runs or self._has_answers(key) else KeyRecord())

    def _delete_answer(self, place: bytes) -> None:
        self._changes[place] = None
        key = place[1:].partition(NUL)[0].decode()
        # A key without runs is forgotten with its last answer.
        if not self.key_record(key).runs and not self._has_answers(key):
            self.put_key_record(key, KeyRecord())

    def _has_answers(self, key: str) -> bool:
        before = self._committed.get(KEYS + key.encode())
        if self.key_record(key).commands > (0 if before is None else decode_key(before).commands):
            return True  # of a command of this very cycle
        kept = self._committed.scan(_command(key, ""), limit=_MANY_ANSWERS)
        return any(self._changes.get(place, value) is not None for place, value in kept)

    def _get(self, place: bytes) -> bytes | None:
        return self._changes[place] if place in self._changes else self._committed.get(place)


def next_timer(committed: Committed) -> datetime | None:
    """When the earliest committed timer is due."""
    entries = committed.scan(TIMERS, limit=1)
    return instant(TIME.unpack_from(entries[0][0], 1)[0]) if entries else None


def timer(state: State, node: str, attempt: int, *, kind: TimerKind, due_at: datetime) -> TimerRecord:
    """The timer of a node of a run."""
    return TimerRecord(state.key, state.run, node, attempt, kind, due_at)


def _instance(key: str, run: str) -> bytes:
    return INSTANCES + key.encode() + NUL + run.encode()


def _command(key: str, command: str) -> bytes:
    return COMMANDS + key.encode() + NUL + command.encode()


def timer_end(now: datetime) -> bytes:
    """The place behind all timers that are due."""
    return TIMERS + TIME.pack(microseconds(now) + 1)


def timer_place(timer: TimerRecord) -> bytes:
    """The key of a timer's entry."""
    due_at = TIME.pack(microseconds(timer.due_at))
    return TIMERS + due_at + NUL.join((timer.key.encode(), timer.run.encode(), timer.node.encode()))


def _key_and_run(place: bytes) -> tuple[str, str]:
    key, _, run = place[1:].partition(NUL)
    return key.decode(), run.decode()
