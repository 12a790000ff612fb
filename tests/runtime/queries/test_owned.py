"""A worker's answers about the partitions that it owns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import JsonValue

from hephaestus_stream import Done, WaitForEvent, Workflow
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.errors import InvalidCursorError, PartitionUnavailableError, RunNotFoundError, StoppedError
from hephaestus_stream.runtime.queries import owned
from hephaestus_stream.runtime.queries.directory import Directory, Member
from hephaestus_stream.runtime.queries.look import Look
from hephaestus_stream.runtime.queries.owned import OpenShard, OwnedReads
from hephaestus_stream.runtime.queries.peer import Peers
from hephaestus_stream.wire.instance import InstanceCounts, Unavailable
from hephaestus_stream.wire.query import InstanceFilter, InstanceQuery
from hephaestus_stream.wire.request import cancel_command, resume_command, start_command
from tests.cycle.flows import Chain, Order, Retried, Review, Stars, Twice
from tests.cycle.partition import BEGIN, Partition
from tests.runtime.changelog.on_disk import OnDisk

pytestmark = pytest.mark.parity(25)

POSITION = 7


class Unscoped(Workflow[None], key="unscoped", scope="none"):
    """Has several live runs of a key."""

    ask = WaitForEvent()
    end = Done()
    start = ask
    transitions = (ask.received.to(end),)


class Owner:
    """One partition of a worker."""

    def __init__(self, path: Path) -> None:
        self.partition = Partition()
        self.disk = OnDisk(path)
        self.partition.store = self.disk
        self.is_open = True
        self.reads = OwnedReads(self, partitions=1)

    def readable(self, partition: int) -> OpenShard | Unavailable:
        if self.is_open:
            return OpenShard(self.disk.store, self.partition.shard, POSITION)
        return Unavailable(partition=partition, reason="opening", message="it has replayed 1 of 2 records")


@pytest_asyncio.fixture
async def owner(tmp_path: Path) -> AsyncGenerator[Owner]:
    owner = Owner(tmp_path)
    yield owner
    owner.reads.close()
    owner.disk.store.close()


async def test_an_instance_is_told_with_its_nodes_results_and_next_timer(owner: Owner) -> None:
    await owner.partition.send(start_command(Review, "a", Order(quantity=2), command_id="run-a", tags=("vip",)))
    waiting = await owner.reads.get("review::a")
    assert (waiting.status, waiting.waiting_at, waiting.tags) == ("waiting", ("stars",), ("vip",))
    assert waiting.input == {"quantity": 2, "note": ""}
    assert waiting.next_timer == BEGIN + timedelta(hours=1)
    assert (waiting.partition, waiting.position, waiting.sequence) == (0, POSITION - 1, 4)
    assert await owner.reads.get("review::a", minimum=waiting.position) == waiting

    await owner.partition.send(resume_command(Review, "a", Review.stars.received, Stars(stars=5)))
    ended = await owner.reads.get("review::a", run="run-a", workflow="Review")
    assert (ended.status, ended.ended_at, ended.next_timer, ended.waiting_at) == ("completed", "done", None, ())
    assert ended.nodes["stars"].result == {"stars": 5}
    assert ended.nodes["stars"].event == "received"


async def test_a_failed_attempt_is_told_with_its_error_and_the_time_of_the_next(owner: Owner) -> None:
    await owner.partition.send(start_command(Retried, "a", Order()))
    found = await owner.reads.get("retried::a")
    flaky = found.nodes["flaky"]
    assert (flaky.status, flaky.attempt, flaky.error) == (
        "retrying",
        1,
        {"type": "ConnectionError", "message": "down"},
    )
    assert found.next_timer == flaky.due_at == BEGIN + timedelta(seconds=10)


async def test_of_several_runs_the_live_one_is_meant_then_the_latest(owner: Owner) -> None:
    partition = owner.partition
    for run in ("first", "second"):
        await partition.send(start_command(Chain, "a", Order(), command_id=run))
        partition.now += timedelta(minutes=1)
    assert (await owner.reads.get("chain::a")).run == "second"
    assert (await owner.reads.get("chain::a", run="first")).run == "first"
    await partition.send(start_command(Review, "a", Order(), command_id="live"))
    await partition.send(resume_command(Review, "a", Review.stars.received, Stars(stars=1)))
    partition.now += timedelta(minutes=1)
    await partition.send(start_command(Review, "a", Order(), command_id="again"))
    assert (await owner.reads.get("review::a")).run == "again"


@pytest.mark.parametrize(
    ("key", "run", "workflow"),
    [
        ("review::b", None, None),
        ("review::a", "other", None),
        ("review::a", None, "Chain"),
        ("review::a", "run-a", "Chain"),
    ],
)
async def test_what_is_not_there_is_not_found(owner: Owner, key: str, run: str | None, workflow: str | None) -> None:
    await owner.partition.send(start_command(Review, "a", Order(), command_id="run-a"))
    with pytest.raises(RunNotFoundError, match="no run"):
        await owner.reads.get(key, run=run, workflow=workflow)


async def test_a_history_comes_in_pages_without_gaps(owner: Owner) -> None:
    await owner.partition.send(start_command(Twice, "a", Order()))
    for event in (Twice.left.received, Twice.right.received):
        await owner.partition.send(resume_command(Twice, "a", event, Stars(stars=1)))
    whole = await owner.reads.history("twice::a")
    sequences = [event["sequence"] for event in whole.events]
    assert sequences == list(range(1, len(sequences) + 1))
    assert (whole.after, whole.is_live) == (None, False)
    for limit in (1, 2, 3):
        after = 0
        found: list[dict[str, JsonValue]] = []
        while True:
            page = await owner.reads.history("twice::a", after=after, limit=limit)
            found += page.events
            if page.after is None:
                break
            after = page.after
        assert found == list(whole.events)
    beyond = await owner.reads.history("twice::a", after=10_000)
    assert beyond.events == ()


async def test_pages_and_counts_are_of_what_is_committed(owner: Owner) -> None:
    await owner.partition.send(*(start_command(Review, f"r{number}", Order()) for number in range(5)))
    await owner.partition.send(start_command(Chain, "c", Order()))
    page = await owner.reads.page(InstanceQuery(workflow="Review", limit=2))
    assert [each.key for each in page.instances] == ["review::r4", "review::r3"]
    page = await owner.reads.page(InstanceQuery(workflow="Review", limit=9, cursor=page.cursor))
    assert ([each.key for each in page.instances], page.cursor) == (["review::r2", "review::r1", "review::r0"], None)
    counts = await owner.reads.count(InstanceFilter(), by=("workflow", "status"))
    assert counts.total == 6
    assert {(each.workflow, each.status): each.count for each in counts.counts} == {
        ("Chain", "completed"): 1,
        ("Review", "waiting"): 5,
    }
    with pytest.raises(InvalidCursorError):
        await owner.reads.page(InstanceQuery(cursor="nonsense"))


async def test_a_partition_that_cannot_be_read_is_named(owner: Owner) -> None:
    owner.is_open = False
    page = await owner.reads.page(InstanceQuery())
    counts = await owner.reads.count(InstanceFilter())
    assert [each.reason for each in (*page.unavailable, *counts.unavailable)] == ["opening", "opening"]
    with pytest.raises(PartitionUnavailableError, match="partition 0: it has replayed 1 of 2 records"):
        await owner.reads.get("review::a")


async def test_an_owner_that_has_not_applied_what_is_asked_for_does_not_answer_with_the_past(owner: Owner) -> None:
    await owner.partition.send(start_command(Review, "a", Order()))
    assert (await owner.reads.get("review::a", minimum=POSITION - 1)).key == "review::a"
    with pytest.raises(PartitionUnavailableError) as refused:
        await owner.reads.get("review::a", minimum=POSITION)
    assert refused.value.unavailable[0].reason == "behind"


async def test_a_closed_store_is_told_and_closing_waits_for_who_reads(owner: Owner) -> None:
    await owner.partition.send(start_command(Review, "a", Order()))
    with owner.disk.store.reading() as committed:
        closing = asyncio.create_task(asyncio.to_thread(owner.disk.store.close))
        done, _ = await asyncio.wait({closing}, timeout=0.05)
        assert not done
        assert committed.get(b"kreview::a") is not None
    await closing
    with pytest.raises(PartitionUnavailableError, match="was closed just now"):
        await owner.reads.get("review::a")
    with pytest.raises(StoppedError), owner.disk.store.reading():
        pass


async def test_a_look_that_takes_long_does_not_hold_up_the_shard_that_closes(owner: Owner) -> None:
    has_begun = threading.Event()

    def look_for_ever(committed: Committed) -> None:
        while True:
            committed.get(b"kreview::a")
            has_begun.set()

    look = Look(owner.disk.store, seconds=60)
    looking = asyncio.create_task(asyncio.to_thread(look.take, look_for_ever))
    await asyncio.to_thread(has_begun.wait)
    await asyncio.to_thread(owner.disk.store.close)
    with pytest.raises(StoppedError):
        await looking


async def test_a_look_ends_with_who_asked(owner: Owner) -> None:
    await owner.partition.send(*(start_command(Review, f"r{number}", Order()) for number in range(300)))
    asking = asyncio.create_task(owner.reads.count(InstanceFilter(updated_from=BEGIN)))
    for _ in range(2):
        await asyncio.sleep(0)
    (look,) = owner.reads.looks
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(StoppedError):
        look.take(lambda committed: committed.get(b"kreview::a"))
    assert not owner.reads.looks


async def test_a_partition_with_too_much_to_look_at_is_busy(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    await owner.partition.send(start_command(Review, "a", Order()))
    monkeypatch.setattr(owned, "COUNT_SECONDS", -1)
    counts = await owner.reads.count(InstanceFilter(updated_from=BEGIN))
    assert [(each.reason, "narrow the question" in each.message) for each in counts.unavailable] == [("busy", True)]
    monkeypatch.setattr(owned, "MOST_LOOKS", 0)
    with pytest.raises(PartitionUnavailableError, match="too many questions"):
        await owner.reads.get("review::a")


@pytest.mark.parametrize(
    "announced",
    [
        "http://[nonsense/#a",
        "http://a:x/#a",
        "http://127.0.0.1:99999/#a",
        "http://127.0.0.1:-1/#a",
        "http://\u2028/#a",
        "http://a\x7f/#a",
        "nonsense#a",
        "http://127.0.0.1:9/#\u00e4",
    ],
)
async def test_a_worker_that_announces_nonsense_is_unreachable_alone(announced: str) -> None:
    other = Member("b", "http://b:7430")
    directory = Directory(other, lambda: {announced: {"c": [1]}, other.announced(): {"c": [0]}}, topic="c")
    owners = directory.owners()
    assert (owners[0], len(directory.members())) == (other, 2)
    peers = Peers(None)
    answer = await peers.ask(owners[1], "/counts", InstanceCounts, partitions=[1], parameters={})
    await peers.close()
    assert isinstance(answer, tuple)
    assert [(each.partition, each.reason) for each in answer] == [(1, "unreachable")]


async def test_of_ended_runs_the_one_is_meant_that_ended_last_as_by_a_command(owner: Owner) -> None:
    partition = owner.partition = Partition([Unscoped])
    partition.store = owner.disk
    for run in ("first", "second"):
        await partition.send(start_command(Unscoped, "a", None, command_id=run))
        partition.now += timedelta(minutes=1)
    for run in ("second", "first"):
        await partition.send(cancel_command(Unscoped, "a", run=run))
    assert (await owner.reads.get("unscoped::a")).run == "first"


async def test_a_worker_that_ends_tells_so(owner: Owner) -> None:
    await owner.partition.send(start_command(Review, "a", Order()))
    owner.reads.close()
    with pytest.raises(PartitionUnavailableError, match="its worker ends"):
        await owner.reads.get("review::a")
    peers = Peers(None)
    await peers.close()
    answer = await peers.ask(Member("a", "http://a"), "/counts", InstanceCounts, partitions=[1], parameters={})
    assert isinstance(answer, tuple)
    assert [each.reason for each in answer] == ["unreachable"]
