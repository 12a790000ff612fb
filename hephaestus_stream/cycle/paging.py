"""Answers of several partitions as one: pages of a list, of which each ends where the next begins, and counts."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from hephaestus_stream.core.state import Status
from hephaestus_stream.cycle.record import microseconds
from hephaestus_stream.errors import InvalidCursorError
from hephaestus_stream.wire.instance import InstanceCount, InstanceCounts, InstancePage, InstanceSummary, Unavailable
from hephaestus_stream.wire.query import Order

_FORM: Final = 1
_LAST: Final = microseconds(datetime.max.replace(tzinfo=UTC))


class Place(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Where a run stands among all runs, of whichever partition: by the time of its start, then by its name.

    Attributes:
        started: Microseconds since 1970.
    """

    started: Annotated[int, msgspec.Meta(ge=0, le=_LAST)]
    key: str
    run: str


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    form: int
    order: Order
    place: Place


_DECODER: Final = msgspec.json.Decoder(_Cursor)


def place_of(instance: InstanceSummary) -> Place:
    """Where an instance stands."""
    return Place(microseconds(instance.started_at), instance.key, instance.run)


def encode_cursor(place: Place, order: Order) -> str:
    """What the next page is asked for with: everything behind a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Cursor(_FORM, order, place))).decode().rstrip("=")


def decode_cursor(cursor: str, order: Order) -> Place:
    """The place behind which a page begins.

    Raises:
        InvalidCursorError: It is none, or was given for the other order.
    """
    try:
        found = _DECODER.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, msgspec.MsgspecError):
        raise InvalidCursorError("this is no cursor: give that of the page before, as it was") from None
    if found.form != _FORM:
        raise InvalidCursorError("the cursor is of another release: begin again with the first page")
    if found.order != order:
        raise InvalidCursorError(f"the cursor is of a list with the order '{found.order}': ask for the same")
    return found.place


def merge(pages: Iterable[InstancePage], *, order: Order, limit: int) -> InstancePage:
    """One page of those of several partitions, for which all were asked with the same cursor.

    A partition's page may end before it is full, since a bounded number of instances is looked at: nobody knows what
    stands behind that place, so the page of all ends there, too.
    """
    newest = order == "newest"
    found: list[tuple[Place, InstanceSummary]] = []
    bounds: list[Place] = []
    unavailable: list[Unavailable] = []
    for page in pages:
        found += ((place_of(instance), instance) for instance in page.instances)
        unavailable += page.unavailable
        if page.cursor is not None:
            bounds.append(decode_cursor(page.cursor, order))
    found.sort(key=lambda entry: entry[0], reverse=newest)
    bound = None if not bounds else max(bounds) if newest else min(bounds)
    known = [(place, each) for place, each in found if bound is None or not _is_behind(place, bound, newest=newest)]
    taken = known[:limit]
    last = taken[-1][0] if len(known) > limit else bound
    return InstancePage(
        instances=tuple(instance for _, instance in taken),
        cursor=None if last is None else encode_cursor(last, order),
        unavailable=_sorted(unavailable),
    )


def add(counts: Iterable[InstanceCounts]) -> InstanceCounts:
    """The numbers of several partitions together."""
    groups: Counter[tuple[str | None, Status | None, str | None]] = Counter()
    unavailable: list[Unavailable] = []
    total = 0
    for each in counts:
        total += each.total
        unavailable += each.unavailable
        groups.update({(kind.workflow, kind.status, kind.node): kind.count for kind in each.counts})
    return InstanceCounts(
        total=total,
        counts=tuple(
            InstanceCount(workflow=workflow, status=status, node=node, count=number)
            for (workflow, status, node), number in sorted(groups.items(), key=lambda entry: str(entry[0]))
        ),
        unavailable=_sorted(unavailable),
    )


def _sorted(unavailable: Iterable[Unavailable]) -> tuple[Unavailable, ...]:
    return tuple(sorted(unavailable, key=lambda each: each.partition))


def _is_behind(place: Place, bound: Place, *, newest: bool) -> bool:
    return place < bound if newest else place > bound
