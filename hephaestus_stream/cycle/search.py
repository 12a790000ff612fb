"""Finding the runs of a shard that fit a query, and counting them, with as few entries looked at as there may be."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import groupby
from typing import Final, NamedTuple

from hephaestus_stream.core.state import Status
from hephaestus_stream.cycle.committed import Committed, end_of
from hephaestus_stream.cycle.index import (
    BY_NAME,
    BY_NODE,
    BY_STATUS,
    COUNTS,
    NUL,
    STATUSES,
    SUMMARIES,
    TIME,
    Flag,
    Summary,
    count_of,
    counted_flags,
    counted_tags,
    flag_entries,
    kind_of,
    node_entries,
    status_entries,
    summary_of,
    tag_entries,
)
from hephaestus_stream.cycle.paging import Place, decode_cursor, encode_cursor
from hephaestus_stream.cycle.record import instant, microseconds
from hephaestus_stream.wire.instance import InstanceCount, InstanceCounts, InstancePage, InstanceSummary
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery

MOST_LOOKED_AT: Final = 5_000
"""Entries that one page looks at in one partition; where few of them fit, the page is short and has a cursor."""

_MOST_NAMED: Final = 2_000
"""Runs with a prefix that are sorted in memory; beyond it the others are gone through by their time."""

_AT_ONCE: Final = 200

_COUNTED: Final = frozenset(("workflow", "version", "status", "waiting_at"))


class _Stream(NamedTuple):
    """Entries of one kind, in the order of the runs' places."""

    prefix: bytes
    size: int


class _Window(NamedTuple):
    """The part of each stream that is looked at: suffixes of keys, the last of which counts no more."""

    start: bytes
    end: bytes | None
    newest: bool


def page(committed: Committed, query: InstanceQuery) -> InstancePage:
    """The runs that fit a query, from its cursor on.

    Raises:
        InvalidCursorError: The cursor is none of ours.
    """
    after = None if query.cursor is None else decode_cursor(query.cursor, query.order)
    window = _window(query, after, newest=query.order == "newest")
    found: list[InstanceSummary] = []
    for looked_at, (place, summary) in enumerate(_runs(committed, query, window), start=1):
        if summary is not None and _fits(query, place, summary):
            found.append(_row(place, summary))
        if len(found) == query.limit or looked_at == MOST_LOOKED_AT:
            return InstancePage(instances=tuple(found), cursor=encode_cursor(place, query.order))
    return InstancePage(instances=tuple(found))


def count(committed: Committed, which: InstanceFilter, by: Collection[CountBy]) -> InstanceCounts:
    """How many runs fit, and how many of each kind."""
    if _is_counted(which):
        return _counts(_kinds(committed, which), by)
    kinds: Counter[tuple[str, Status, str | None]] = Counter()
    window = _window(which, None, newest=False)
    for place, summary in _runs(committed, which, window):
        if summary is not None and _fits(which, place, summary):
            kinds.update([(summary.workflow, summary.status, None)])
            nodes = summary.waiting_at if which.waiting_at is None else (which.waiting_at,)
            kinds.update((summary.workflow, summary.status, node) for node in nodes)
    return _counts(kinds, by)


def _is_counted(which: InstanceFilter) -> bool:
    """Whether what is asked for is counted beforehand; what is more than a filter says nothing of it."""
    asked = (name for name in InstanceFilter.model_fields if getattr(which, name) not in (None, ()))
    return _COUNTED.issuperset(asked)


def _kinds(committed: Committed, which: InstanceFilter) -> Counter[tuple[str, Status, str | None]]:
    """The numbers by workflow, status and node that fit; those without a node count each run once."""
    kinds: Counter[tuple[str, Status, str | None]] = Counter()
    for table in (BY_STATUS, BY_NODE):
        for place, value in _counters(committed, table):
            workflow, version, status, node = kind_of(place)
            fits = which.workflow in {None, workflow} and which.version in {None, version}
            if not fits or (which.status and status not in which.status):
                continue
            if which.waiting_at is None:
                kinds[workflow, status, node] += count_of(value)
            elif which.waiting_at == node:
                kinds[workflow, status, None] += count_of(value)
                kinds[workflow, status, node] += count_of(value)
    return kinds


def _counters(committed: Committed, kind: bytes) -> Iterator[tuple[bytes, bytes]]:
    return _all(committed, COUNTS + kind)


def _counts(kinds: Counter[tuple[str, Status, str | None]], by: Collection[CountBy]) -> InstanceCounts:
    total = sum(number for (_, _, node), number in kinds.items() if node is None)
    groups: Counter[tuple[str | None, Status | None, str | None]] = Counter()
    for (workflow, status, node), number in kinds.items():
        if by and (node is not None) == ("node" in by):
            groups[workflow if "workflow" in by else None, status if "status" in by else None, node] += number
    counts = tuple(
        InstanceCount(workflow=workflow, status=status, node=node, count=number)
        for (workflow, status, node), number in groups.items()
    )
    return InstanceCounts(total=total, counts=counts)


def _streams(committed: Committed, which: InstanceFilter) -> list[_Stream]:
    """The fewest entries that have all that may fit."""
    choices: list[list[_Stream]] = []
    if which.workflow is not None or which.status:
        sizes: Counter[tuple[str, Status]] = Counter()
        for place, value in _counters(committed, BY_STATUS):
            workflow, _, status, _ = kind_of(place)
            if which.workflow in {None, workflow} and status in (which.status or STATUSES):
                sizes[workflow, status] += count_of(value)
        choices.append([_Stream(status_entries(*kind), size) for kind, size in sizes.items()])
    choices += ([_Stream(tag_entries(tag), count_of(committed.get(counted_tags(tag))))] for tag in which.tag)
    if which.waiting_at is not None:
        waits = sum(
            count_of(value) for place, value in _counters(committed, BY_NODE) if kind_of(place)[3] == which.waiting_at
        )
        choices.append([_Stream(node_entries(which.waiting_at), waits)])
    flags: tuple[tuple[Flag, bool | None], ...] = (("paused", which.paused), ("halted", which.halted))
    choices += (
        [_Stream(flag_entries(flag), count_of(committed.get(counted_flags(flag))))] for flag, is_so in flags if is_so
    )
    if not choices:
        return [_Stream(SUMMARIES, 0)]
    return min(choices, key=lambda streams: sum(stream.size for stream in streams))


def _window(which: InstanceFilter, after: Place | None, *, newest: bool) -> _Window:
    start = b"" if which.started_from is None else _bound(which.started_from)
    end = None if which.started_to is None else _bound(which.started_to)
    if after is not None:
        suffix = TIME.pack(after.started) + after.key.encode() + NUL + after.run.encode()
        if newest:
            end = suffix if end is None else min(end, suffix)
        else:
            start = max(start, suffix + NUL)
    return _Window(start, end, newest)


def _bound(moment: datetime) -> bytes:
    """Where a moment stands among the starts; none of them is before 1970, and such a number would stand behind all."""
    return TIME.pack(max(microseconds(moment), 0))


def _runs(committed: Committed, which: InstanceFilter, window: _Window) -> Iterator[tuple[Place, Summary | None]]:
    """The runs that may fit, in their order; one that was deleted meanwhile has no summary."""
    for suffix, found in _entries(committed, which, window):
        value = found or committed.get(SUMMARIES + suffix)
        yield _place(suffix), None if value is None else summary_of(value)


def _entries(committed: Committed, which: InstanceFilter, window: _Window) -> Iterator[tuple[bytes, bytes]]:
    """Time and name of the runs that may fit, in their order, with the summary where it was found along."""
    named = _by_name(committed, which.id_prefix or "")
    if named is not None:
        within = (each for each in named if window.start <= each and (window.end is None or each < window.end))
        return ((each, b"") for each in sorted(within, reverse=window.newest))
    streams = [_of_stream(committed, stream.prefix, window) for stream in _streams(committed, which)]
    if len(streams) == 1:
        return streams[0]
    # A run whose status changes meanwhile may be found under both.
    merged = heapq.merge(*streams, reverse=window.newest)
    return (next(same) for _, same in groupby(merged, key=lambda entry: entry[0]))


def _by_name(committed: Committed, prefix: str) -> list[bytes] | None:
    """Those whose keys have a prefix; None where it names no key, or too many."""
    if "::" not in prefix:
        return None
    entries = committed.scan(BY_NAME + prefix.encode(), limit=_MOST_NAMED + 1)
    return None if len(entries) > _MOST_NAMED else [started + key[1:] for key, started in entries]


def _of_stream(committed: Committed, prefix: bytes, window: _Window) -> Iterator[tuple[bytes, bytes]]:
    start = prefix + window.start
    end = end_of(prefix) if window.end is None else prefix + window.end
    for key, value in _all(committed, prefix, start=start, end=end, reverse=window.newest):
        yield key[len(prefix) :], value


def _all(
    committed: Committed,
    prefix: bytes,
    *,
    start: bytes | None = None,
    end: bytes | None = None,
    reverse: bool = False,
) -> Iterator[tuple[bytes, bytes]]:
    """All entries in a range, some at a time."""
    while entries := committed.scan(prefix, start=start, end=end, limit=_AT_ONCE, reverse=reverse):
        yield from entries
        if reverse:
            end = entries[-1][0]
        else:
            start = entries[-1][0] + NUL


def _fits(which: InstanceFilter, place: Place, summary: Summary) -> bool:
    prefix = which.id_prefix
    return (
        which.workflow in {None, summary.workflow}
        and which.version in {None, summary.version}
        and (not which.status or summary.status in which.status)
        and all(tag in summary.tags for tag in which.tag)
        and (which.waiting_at is None or which.waiting_at in summary.waiting_at)
        and (which.updated_from is None or summary.updated >= microseconds(which.updated_from))
        and (which.updated_to is None or summary.updated < microseconds(which.updated_to))
        and which.paused in {None, summary.paused}
        and which.halted in {None, summary.halted is not None}
        and (prefix is None or _named(place.key, prefix))
    )


def _named(key: str, prefix: str) -> bool:
    return (key if "::" in prefix else key.partition("::")[2]).startswith(prefix)


def _place(suffix: bytes) -> Place:
    key, _, run = suffix[TIME.size :].partition(NUL)
    return Place(TIME.unpack_from(suffix)[0], key.decode(), run.decode())


def _row(place: Place, summary: Summary) -> InstanceSummary:
    return InstanceSummary(
        workflow=summary.workflow,
        version=summary.version,
        key=place.key,
        run=place.run,
        status=summary.status,
        started_at=instant(place.started),
        updated_at=instant(summary.updated),
        tags=summary.tags,
        waiting_at=summary.waiting_at,
        ended_at=summary.ended_at,
        finished_at=None if summary.finished is None else instant(summary.finished),
        paused=summary.paused,
        halted=summary.halted,
    )
