"""Finding instances: whatever was committed, an index finds what going through all records would find."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hephaestus_stream.core.state import NodeState, State
from hephaestus_stream.cycle import search
from hephaestus_stream.cycle.index import BY_FLAG, COUNTS, Flag, counted_flags, derive
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.paging import decode_cursor, encode_cursor, merge, place_of
from hephaestus_stream.cycle.record import encode
from hephaestus_stream.errors import InvalidCursorError
from hephaestus_stream.wire.instance import InstancePage, InstanceSummary
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery, Order

pytestmark = pytest.mark.parity(25)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PARTITIONS = 3

ANCIENT = datetime(1944, 10, 9, tzinfo=UTC)

minutes = st.integers(0, 6).map(lambda number: BEGIN + timedelta(minutes=number))
states = st.builds(
    State,
    key=st.sampled_from(["order::a", "order::ab", "order::b", "permit::a"]),
    run=st.sampled_from(["1", "2", "3"]),
    workflow=st.sampled_from(["Order", "Permit"]),
    version=st.integers(1, 2),
    status=st.sampled_from(["running", "waiting", "completed", "failed"]),
    input=st.just(b"null"),
    started_at=minutes,
    updated_at=minutes,
    paused=st.booleans(),
    halted=st.none() | st.just("a bug"),
    tags=st.sets(st.sampled_from(["red", "blue"])).map(lambda tags: tuple(sorted(tags))),
    nodes=st.dictionaries(
        st.sampled_from(["pay", "ship"]),
        st.sampled_from([NodeState("waiting"), NodeState("running"), NodeState("completed")]),
    ),
)
changes = st.lists(st.tuples(states, st.booleans()), max_size=6)
bounds = st.none() | minutes | st.just(ANCIENT)
filters = st.builds(
    InstanceFilter,
    workflow=st.none() | st.sampled_from(["Order", "Permit", "Other"]),
    version=st.none() | st.integers(1, 2),
    status=st.lists(st.sampled_from(["running", "waiting", "completed", "failed"]), max_size=2, unique=True).map(tuple),
    tag=st.lists(st.sampled_from(["red", "blue"]), max_size=2, unique=True).map(tuple),
    waiting_at=st.none() | st.sampled_from(["pay", "ship", "other"]),
    started_from=bounds,
    started_to=bounds,
    updated_from=bounds,
    updated_to=bounds,
    paused=st.none() | st.booleans(),
    halted=st.none() | st.booleans(),
    id_prefix=st.none() | st.sampled_from(["a", "b", "order::a", "permit::", "x"]),
)


class Shards:
    """Some partitions, and what is in them by the simplest means."""

    def __init__(self, batches: Sequence[Sequence[tuple[State, bool]]]) -> None:
        self.stores = [MemoryStore() for _ in range(PARTITIONS)]
        self.states: dict[tuple[str, str], State] = {}
        for batch in batches:
            written: list[dict[bytes, bytes | None]] = [{} for _ in self.stores]
            for state, is_deleted in batch:
                place = b"i" + state.key.encode() + b"\0" + state.run.encode()
                written[len(state.key) % PARTITIONS][place] = None if is_deleted else encode(state)
                self.states.pop((state.key, state.run), None)
                if not is_deleted:
                    self.states[state.key, state.run] = state
            for store, records in zip(self.stores, written, strict=True):
                store.write(records)

    def fitting(self, which: InstanceFilter) -> list[State]:
        found = [state for state in self.states.values() if fits(which, state)]
        return sorted(found, key=lambda state: (state.started_at, state.key, state.run))

    def page(self, query: InstanceQuery) -> InstancePage:
        pages = [search.page(store, query) for store in self.stores]
        return merge(pages, order=query.order, limit=query.limit)


def waits(state: State) -> list[str]:
    return sorted(name for name, node in state.nodes.items() if node.status == "waiting")


def fits(which: InstanceFilter, state: State) -> bool:
    prefix = which.id_prefix or ""
    return (
        which.workflow in {None, state.workflow}
        and which.version in {None, state.version}
        and (not which.status or state.status in which.status)
        and set(which.tag) <= set(state.tags)
        and (which.waiting_at is None or which.waiting_at in waits(state))
        and (which.started_from is None or which.started_from <= state.started_at)
        and (which.started_to is None or state.started_at < which.started_to)
        and (which.updated_from is None or which.updated_from <= state.updated_at)
        and (which.updated_to is None or state.updated_at < which.updated_to)
        and which.paused in {None, state.paused}
        and which.halted in {None, state.halted is not None}
        and (state.key if "::" in prefix else state.key.partition("::")[2]).startswith(prefix)
    )


def names(instances: Sequence[InstanceSummary | State]) -> list[tuple[str, str]]:
    return [(each.key, each.run) for each in instances]


@given(st.lists(changes, max_size=5))
def test_what_is_derived_is_what_the_records_alone_give(batches: list[list[tuple[State, bool]]]) -> None:
    for store in Shards(batches).stores:
        records = {key: value for key, value in store.scan(b"", limit=1_000) if key[:1] == b"i"}
        anew = MemoryStore()
        anew.write(records)
        assert store.scan(b"", limit=1_000) == anew.scan(b"", limit=1_000)


@given(st.lists(changes, max_size=5), filters, st.sampled_from(["newest", "oldest"]), st.integers(1, 4))
def test_pages_have_each_instance_that_fits_once_and_in_its_order(
    batches: list[list[tuple[State, bool]]], which: InstanceFilter, order: Order, limit: int
) -> None:
    shards = Shards(batches)
    wanted = names(shards.fitting(which))
    query = InstanceQuery(**which.model_dump(), order=order, limit=limit)
    found: list[tuple[str, str]] = []
    while True:
        page = shards.page(query)
        assert len(page.instances) <= limit
        found += names(page.instances)
        if page.cursor is None:
            break
        query = query.model_copy(update={"cursor": page.cursor})
    assert found == (wanted[::-1] if order == "newest" else wanted)


@given(st.lists(changes, max_size=5), filters)
def test_counts_are_those_of_the_instances_that_fit(
    batches: list[list[tuple[State, bool]]], which: InstanceFilter
) -> None:
    shards = Shards(batches)
    fitting = shards.fitting(which)
    kind: CountBy
    by_status: Counter[tuple[str | None, str | None, str | None]] = Counter()
    by_node: Counter[tuple[str | None, str | None, str | None]] = Counter()
    for store in shards.stores:
        counted = search.count(store, which, by=("workflow", "status"))
        by_status.update({(each.workflow, each.status, each.node): each.count for each in counted.counts})
        kind = "node"
        counted = search.count(store, which, by=(kind,))
        by_node.update({(each.workflow, each.status, each.node): each.count for each in counted.counts})
    assert sum(search.count(store, which, by=()).total for store in shards.stores) == len(fitting)
    assert by_status == Counter((state.workflow, state.status, None) for state in fitting)
    nodes = [node for state in fitting for node in waits(state) if which.waiting_at in {None, node}]
    assert by_node == Counter((None, None, node) for node in nodes)


@settings(max_examples=20)
@given(st.integers(1, 7), st.integers(1, 5))
def test_a_page_that_has_looked_at_enough_is_short_and_says_where_it_goes_on(most: int, limit: int) -> None:
    store = MemoryStore()
    for number in range(10):
        state = State(
            f"order::{number}", "1", "Order", 1, "failed" if number == 9 else "running", b"null", BEGIN, BEGIN
        )
        store.write({b"i" + state.key.encode() + b"\0" + b"1": encode(state)})
    query = InstanceQuery(updated_from=BEGIN, id_prefix="9", order="oldest", limit=limit)
    found: list[tuple[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "MOST_LOOKED_AT", most)
        pages = 0
        while True:
            page = search.page(store, query)
            pages += 1
            found += names(page.instances)
            if page.cursor is None:
                break
            query = query.model_copy(update={"cursor": page.cursor})
    assert found == [("order::9", "1")]
    assert pages >= 10 // most


def test_a_new_life_of_a_name_leaves_nothing_of_the_old_one() -> None:
    store = MemoryStore()
    place = b"iorder::a\x001"
    for minute in range(2):
        at = BEGIN + timedelta(minutes=minute)
        store.write({place: encode(State("order::a", "1", "Order", 1, "running", b"null", at, at))})
    assert [each.started_at.minute for each in search.page(store, InstanceQuery()).instances] == [1]
    store.write({place: None})
    assert store.scan(b"", limit=10) == []


@pytest.mark.parametrize("cursor", ["", "x", "ä", "!!!!", "eyJhIjoxfQ", "WzksIm5ld2VzdCIsWzEsImEiLCJiIl1d"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, "newest")


@pytest.mark.parametrize("started", [-1, 2**63, 253_402_300_800_000_000])
def test_a_cursor_behind_all_time_is_refused(started: int) -> None:
    content = json.dumps([1, "newest", [started, "order::a", "1"]]).encode()
    with pytest.raises(InvalidCursorError):
        decode_cursor(base64.urlsafe_b64encode(content).decode().rstrip("="), "newest")


@pytest.mark.parametrize("which", [InstanceFilter(), InstanceFilter(workflow="Order"), InstanceFilter(tag=("red",))])
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_nothing_has_started_before_1970(which: InstanceFilter, order: Order) -> None:
    store = MemoryStore()
    state = State("order::a", "1", "Order", 1, "running", b"null", BEGIN, BEGIN, tags=("red",))
    store.write({b"iorder::a\x001": encode(state)})
    for bounds, number in (({"started_to": ANCIENT}, 0), ({"started_from": ANCIENT}, 1)):
        asked = which.model_copy(update=bounds)
        page = search.page(store, InstanceQuery(**asked.model_dump(), order=order))
        assert (len(page.instances), search.count(store, asked, by=()).total) == (number, number)


class More(InstanceFilter):
    """A question with something that is no filter, as the route of the counts has it."""

    by: tuple[CountBy, ...] = ("status",)


class Watched(MemoryStore):
    """Remembers what was looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.scans: list[bytes] = []

    def scan(
        self, prefix: bytes, *, start: bytes | None = None, end: bytes | None = None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self.scans.append(prefix)
        return super().scan(prefix, start=start, end=end, limit=limit, reverse=reverse)


def test_what_is_counted_beforehand_is_not_counted_again() -> None:
    store = Watched()
    store.write({b"iorder::a\x001": encode(State("order::a", "1", "Order", 1, "running", b"null", BEGIN, BEGIN))})
    store.scans.clear()
    assert search.count(store, More(workflow="Order"), by=()).total == 1
    assert {prefix[:1] for prefix in store.scans} == {COUNTS}


@pytest.mark.parametrize("flag", ["paused", "halted"])
def test_the_few_that_are_paused_or_halted_are_found_without_a_look_at_the_others(flag: Flag) -> None:
    store = Watched()
    for number in range(3):
        state = State(f"order::{number}", "1", "Order", 1, "running", b"null", BEGIN, BEGIN)
        if number:
            state = replace(state, **({"paused": True} if flag == "paused" else {"halted": "a bug"}))
        store.write({b"i" + state.key.encode() + b"\0" + b"1": encode(state)})
    last = State("order::2", "1", "Order", 1, "running", b"null", BEGIN, BEGIN)
    store.write({b"iorder::2\x001": encode(last)})
    store.scans.clear()
    found = search.page(store, InstanceQuery.model_validate({flag: True}))
    assert [each.key for each in found.instances] == ["order::1"]
    assert {prefix[:1] for prefix in store.scans} == {BY_FLAG}
    assert store.get(counted_flags(flag)) == (1).to_bytes(8, "big")


def test_a_cursor_of_the_other_order_is_refused() -> None:
    state = State("order::a", "1", "Order", 1, "running", b"null", BEGIN, BEGIN)
    store = MemoryStore()
    store.write({b"iorder::a\x001": encode(state)})
    (instance,) = search.page(store, InstanceQuery()).instances
    with pytest.raises(InvalidCursorError, match="order 'newest'"):
        decode_cursor(encode_cursor(place_of(instance), "newest"), "oldest")


def test_a_record_that_did_not_change_in_what_is_looked_for_writes_no_entry() -> None:
    store = MemoryStore()
    record = {b"iorder::a\x001": encode(State("order::a", "1", "Order", 1, "running", b"null", BEGIN, BEGIN))}
    store.write(record)
    assert derive(record, store.get) == [(b"aorder::a\x001", None)]
