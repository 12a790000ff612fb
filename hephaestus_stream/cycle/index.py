"""What derives from the records of a shard: written in the same batch, and made anew from them; never changelogged.

Instances are found by the time of their start: each has a summary under it, and an empty entry under each value that
one looks for. How many entries a value has is counted: whoever looks takes the fewest, and most counts cost nothing.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from hephaestus_stream.core.state import NodeStatus, Status
from hephaestus_stream.cycle.record import decode_with, header_of, microseconds

INDEX_VERSION: Final = 3
"""Raised when entries are derived otherwise: a database with another one is filled anew from the changelog."""

KEYS: Final = b"k"
INSTANCES: Final = b"i"
HISTORY: Final = b"h"
TIMERS: Final = b"t"
COMMANDS: Final = b"c"

ACTIVE: Final = b"a"
EXPIRY: Final = b"x"
SUMMARIES: Final = b"S"
BY_STATUS: Final = b"W"
BY_TAG: Final = b"G"
BY_NODE: Final = b"N"
BY_FLAG: Final = b"F"
BY_NAME: Final = b"M"
COUNTS: Final = b"Q"
DERIVED: Final = (ACTIVE, EXPIRY, SUMMARIES, BY_STATUS, BY_TAG, BY_NODE, BY_FLAG, BY_NAME, COUNTS)
_WITH_HEADER: Final = frozenset((KEYS, INSTANCES, TIMERS, COMMANDS))

NUL: Final = b"\0"
"""Separates texts, which are printable and have none."""

TIME: Final = struct.Struct(">q")
_COUNT: Final = struct.Struct(">Q")

ValueT = TypeVar("ValueT", bound=str)
Change = tuple[bytes, bytes | None]
Get = Callable[[bytes], bytes | None]
Flag = Literal["paused", "halted"]
STATUSES: Final[tuple[Status, ...]] = ("pending", "running", "waiting", "completed", "failed", "cancelled")


class _Node(msgspec.Struct, frozen=True):
    status: NodeStatus


class _Indexed(msgspec.Struct, frozen=True):
    """The part of a run's state that is looked for, or shown in a list; the rest is not even decoded."""

    workflow: str
    version: int
    status: Status
    started_at: datetime
    updated_at: datetime
    tags: tuple[str, ...] = ()
    nodes: dict[str, _Node] = {}
    ended_at: str | None = None
    finished_at: datetime | None = None
    halted: str | None = None
    paused: bool = False


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """A run as a row of a list; times are microseconds since 1970."""

    workflow: str
    version: int
    status: Status
    updated: int
    tags: tuple[str, ...] = ()
    waiting_at: tuple[str, ...] = ()
    ended_at: str | None = None
    finished: int | None = None
    halted: str | None = None
    paused: bool = False

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What few runs are, whatever their status."""
        if self.halted is None:
            return ("paused",) if self.paused else ()
        return ("paused", "halted") if self.paused else ("halted",)


_DECODER: Final = msgspec.msgpack.Decoder(_Indexed)
_SUMMARY: Final = msgspec.msgpack.Decoder(Summary)
_ENCODER: Final = msgspec.msgpack.Encoder()


def derive(changes: Mapping[bytes, bytes | None], get: Get) -> list[Change]:
    """The entries that follow from a batch of changes.

    Args:
        changes: Records by their keys; None deletes.
        get: Reads what was written before the batch.

    Raises:
        ShardClosedError: A record was written by a newer version: found here it keeps a partition from opening, and
            stops no cycle later.
    """
    entries: list[Change] = []
    counts: Counter[bytes] = Counter()
    for key, value in changes.items():
        table = key[:1]
        if table == INSTANCES:
            entries += _of_instance(key[1:], value, get, counts)
        elif value is not None and table in _WITH_HEADER:
            header = header_of(value)
            if table == COMMANDS and header.expires:
                entries.append((EXPIRY + TIME.pack(header.expires) + key, b""))
    for place, difference in counts.items():
        if difference:
            number = count_of(get(place)) + difference
            entries.append((place, _COUNT.pack(number) if number else None))
    return entries


def count_of(value: bytes | None) -> int:
    """The number in an entry of `COUNTS`."""
    return 0 if value is None else int(_COUNT.unpack(value)[0])


def summary_of(value: bytes) -> Summary:
    """The summary in an entry of `SUMMARIES`."""
    return _SUMMARY.decode(value)


def status_entries(workflow: str, status: Status) -> bytes:
    """How the keys begin of all runs of a workflow with a status; the time of their start follows, then their place."""
    return BY_STATUS + workflow.encode() + NUL + status.encode() + NUL


def tag_entries(tag: str) -> bytes:
    """The same for a tag."""
    return BY_TAG + tag.encode() + NUL


def node_entries(node: str) -> bytes:
    """The same for a node that runs wait at."""
    return BY_NODE + node.encode() + NUL


def flag_entries(flag: Flag) -> bytes:
    """The same for what few runs are."""
    return BY_FLAG + flag.encode() + NUL


def counted_runs(workflow: str, version: int, status: Status) -> bytes:
    """Where it is counted how many runs of a version have a status."""
    return COUNTS + BY_STATUS + _kind(workflow, version, status)


def counted_waits(workflow: str, version: int, status: Status, node: str) -> bytes:
    """Where it is counted how many of these wait at a node."""
    return COUNTS + BY_NODE + _kind(workflow, version, status) + NUL + node.encode()


def counted_tags(tag: str) -> bytes:
    """Where it is counted how many runs have a tag."""
    return COUNTS + BY_TAG + tag.encode()


def counted_flags(flag: Flag) -> bytes:
    """Where it is counted how many runs are so."""
    return COUNTS + BY_FLAG + flag.encode()


def kind_of(counted: bytes) -> tuple[str, int, Status, str | None]:
    """Workflow, version, status and node of a place of `counted_runs` or `counted_waits`."""
    workflow, version, status, *node = counted[2:].decode().split("\0")
    return workflow, int(version), next(each for each in STATUSES if each == status), node[0] if node else None


def _kind(workflow: str, version: int, status: Status) -> bytes:
    return NUL.join((workflow.encode(), str(version).encode(), status.encode()))


def _of_instance(place: bytes, value: bytes | None, get: Get, counts: Counter[bytes]) -> Iterator[Change]:
    if value is None:
        yield ACTIVE + place, None
        found = None
    else:
        header = header_of(value)
        yield ACTIVE + place, b"" if header.running else None
        if header.expires:
            yield EXPIRY + TIME.pack(header.expires) + INSTANCES + place, b""
        found = decode_with(_DECODER, value)
    new = None if found is None else _Row(microseconds(found.started_at), _summary(found))
    old = _former(place, None if new is None else new.started, get)
    if old is None or new is None or old.started != new.started:
        if old is not None:
            yield from ((entry, None) for entry, _ in _entries(place, old))
            counts.subtract(_counted(old.summary))
        if new is not None:
            yield from _entries(place, new)
            counts.update(_counted(new.summary))
    elif old.summary != new.summary:
        yield from _differences(place, old, new)
        _count_differences(old.summary, new.summary, counts)


class _Row(NamedTuple):
    """A run as it is listed; its start is part of the entries' keys."""

    started: int
    summary: Summary


def _former(place: bytes, started: int | None, get: Get) -> _Row | None:
    """The row that a run has had; under the time of its start, which nothing changes but a new life of its name."""
    if started is not None:
        value = get(SUMMARIES + TIME.pack(started) + place)
        if value is not None:
            return _Row(started, summary_of(value))
    record = get(INSTANCES + place)
    if record is None:
        return None
    found = decode_with(_DECODER, record)
    return _Row(microseconds(found.started_at), _summary(found))


def _summary(found: _Indexed) -> Summary:
    waiting = tuple(sorted(name for name, node in found.nodes.items() if node.status == "waiting"))
    return Summary(
        found.workflow,
        found.version,
        found.status,
        microseconds(found.updated_at),
        found.tags,
        waiting if found.finished_at is None else (),
        found.ended_at,
        None if found.finished_at is None else microseconds(found.finished_at),
        found.halted,
        found.paused,
    )


def _entries(place: bytes, row: _Row) -> Iterator[tuple[bytes, bytes]]:
    """All entries of a run."""
    started, summary = TIME.pack(row.started), row.summary
    yield SUMMARIES + started + place, _ENCODER.encode(summary)
    yield BY_NAME + place, started
    yield status_entries(summary.workflow, summary.status) + started + place, b""
    for tag in summary.tags:
        yield tag_entries(tag) + started + place, b""
    for node in summary.waiting_at:
        yield node_entries(node) + started + place, b""
    for flag in summary.flags:
        yield flag_entries(flag) + started + place, b""


def _differences(place: bytes, old: _Row, new: _Row) -> Iterator[Change]:
    """What becomes of the entries of a listed run: it may wait at thousands of nodes, and changes in few of them."""
    suffix = TIME.pack(new.started) + place
    was, now = old.summary, new.summary
    yield SUMMARIES + suffix, _ENCODER.encode(now)
    if (was.workflow, was.status) != (now.workflow, now.status):
        yield status_entries(was.workflow, was.status) + suffix, None
        yield status_entries(now.workflow, now.status) + suffix, b""
    yield from _replaced(tag_entries, was.tags, now.tags, suffix)
    yield from _replaced(node_entries, was.waiting_at, now.waiting_at, suffix)
    yield from _replaced(flag_entries, was.flags, now.flags, suffix)


def _replaced(
    name_of: Callable[[ValueT], bytes], was: Collection[ValueT], now: Collection[ValueT], suffix: bytes
) -> Iterator[Change]:
    gone, come = _moved(was, now)
    yield from ((name_of(each) + suffix, None) for each in gone)
    yield from ((name_of(each) + suffix, b"") for each in come)


def _count_differences(was: Summary, now: Summary, counts: Counter[bytes]) -> None:
    kind = _kind_of(now)
    if _kind_of(was) != kind or was.tags != now.tags or was.flags != now.flags:
        counts.subtract(_counted(was))
        counts.update(_counted(now))
        return
    gone, come = _moved(was.waiting_at, now.waiting_at)
    counts.subtract(counted_waits(*kind, node) for node in gone)
    counts.update(counted_waits(*kind, node) for node in come)


def _moved(was: Collection[ValueT], now: Collection[ValueT]) -> tuple[Collection[ValueT], Collection[ValueT]]:
    """What is not there any more, and what was not there before."""
    if was == now:
        return (), ()
    return set(was).difference(now), set(now).difference(was)


def _kind_of(summary: Summary) -> tuple[str, int, Status]:
    return summary.workflow, summary.version, summary.status


def _counted(summary: Summary) -> Iterator[bytes]:
    """Where a run is counted."""
    kind = _kind_of(summary)
    yield counted_runs(*kind)
    yield from (counted_waits(*kind, node) for node in summary.waiting_at)
    yield from map(counted_tags, summary.tags)
    yield from map(counted_flags, summary.flags)
