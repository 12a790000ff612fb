"""Versions side by side: each run keeps its own, stands still where a worker lacks it, and may be moved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from hephaestus_stream import Done, Failed, Wait, WaitForEvent, Workflow
from hephaestus_stream.core import parking
from hephaestus_stream.wire.request import cancel_command, migrate_command, resume_command, start_command
from tests.cycle.flows import Order, Review, Stars, Thread, Work
from tests.cycle.partition import Partition, replies

HOUR = timedelta(hours=1)


class Old(Workflow[Order], key="flow", name="Flow"):
    """Waits for stars, or an hour."""

    stars = WaitForEvent(Stars, timeout=HOUR)
    thanks = Work()
    done = Done()
    late = Failed("nobody came")
    start = stars
    transitions = (stars.received.to(thanks), stars.timed_out.to(late), thanks.done.to(done))


class New(Workflow[Order], key="flow", name="Flow", version=2):
    """Checks after the thanks."""

    stars = WaitForEvent(Stars, timeout=HOUR)
    thanks = Work()
    check = Work()
    done = Done()
    late = Failed("nobody came")
    start = stars
    transitions = (
        stars.received.to(thanks),
        stars.timed_out.to(late),
        thanks.done.to(check),
        check.done.to(done),
    )


class Next(Workflow[Order], key="flow", name="Flow", version=3, current=False):
    """Is there for those only who name it."""

    stars = Wait(HOUR)
    done = Done()
    start = stars
    transitions = (stars.elapsed.to(done),)


async def test_a_run_stays_with_its_version_beside_runs_of_another() -> None:
    partition = Partition((Old, New))
    old, new = start_command(Old, "a", Order()), start_command(New, "b", Order())

    await partition.send(old, new)
    await partition.send(*(resume_command(Old, each, Old.stars.received, Stars(stars=5)) for each in "ab"))

    assert (partition.state("flow::a", old.id).version, partition.state("flow::b", new.id).version) == (1, 2)
    assert ("step_completed", "check") not in partition.told(old.id)
    assert ("step_completed", "check") in partition.told(new.id)


@pytest.mark.parity(19)
async def test_a_start_that_names_no_version_takes_the_highest_current_one() -> None:
    partition = Partition((Old, New, Next))
    command = start_command(Old, "a", Order(), version="current")
    await partition.send(command)
    assert partition.state("flow::a", command.id).version == 2


@pytest.mark.parity(19)
async def test_a_version_that_is_not_current_is_started_by_its_name() -> None:
    partition = Partition((Old, New, Next))
    command = start_command(Old, "a", Order(), version=3)
    await partition.send(command)
    assert partition.state("flow::a", command.id).version == 3


@pytest.mark.parity(19)
async def test_without_a_current_version_a_start_must_name_one() -> None:
    [refused] = await Partition((Next,)).send(start_command(Next, "a", Order(), version="current"))
    assert refused.reason == "unknown_version"
    assert refused.message is not None
    assert "name the version" in refused.message


async def parked_run(*workflows: type[Workflow[Any]]) -> tuple[Partition, str]:
    """A run of the old version, under a worker that has these workflows only."""
    partition = Partition((Old, New))
    start = start_command(Old, "a", Order())
    await partition.send(start)
    return partition.under(*workflows), start.id


@pytest.mark.parity(19)
async def test_a_parked_run_keeps_its_events_and_says_why() -> None:
    partition, run = await parked_run(New)

    [reply] = await partition.send(resume_command(Old, "a", Old.stars.received, Stars(stars=5), run=run))

    assert (reply.accepted, reply.effect, reply.run) == (True, "kept", run)
    assert reply.message is not None
    assert "has Flow in version 2, and not in version 1" in reply.message
    assert partition.state("flow::a", run).status == "waiting"


@pytest.mark.parity(19)
async def test_a_run_is_parked_where_the_worker_has_no_version_of_its_workflow_at_all() -> None:
    partition, run = await parked_run(Review)
    [reply] = await partition.send(resume_command(Old, "a", Old.stars.received, Stars(stars=5)))
    assert (reply.effect, reply.run) == ("kept", run)
    assert "this worker does not have Flow; it goes on when a worker that has version 1 takes over" in (
        reply.message or ""
    )


@pytest.mark.parity(19)
async def test_a_parked_run_goes_on_with_its_events_under_a_worker_that_has_its_version() -> None:
    partition, run = await parked_run(New)
    await partition.send(resume_command(Old, "a", Old.stars.received, Stars(stars=5)))

    heir = partition.under(Old, New)
    await heir.take_over(worker_lost=False)

    assert heir.state("flow::a", run).status == "completed"
    told = [kind for kind, _ in heir.told(run)]
    assert told.index("event_kept") < told.index("resumed")


async def test_an_event_that_was_kept_unread_is_checked_when_it_can_be() -> None:
    partition, run = await parked_run(New)
    wrong = resume_command(Old, "a", Old.stars.received, Stars(stars=5)).model_copy(update={"payload": {"stars": "x"}})
    await partition.send(wrong)

    heir = partition.under(Old)
    await heir.take_over(worker_lost=False)

    refused = heir.history(run)[-1]
    assert (refused.type, refused.details["reason"]) == ("event_refused", "invalid_payload")
    assert heir.state("flow::a", run).status == "waiting"


async def test_a_parked_run_can_be_cancelled_and_replaced() -> None:
    partition, run = await parked_run(New)
    [cancelled] = await partition.send(cancel_command(Old, "a", run=run))
    assert (cancelled.accepted, partition.state("flow::a", run).status) == (True, "cancelled")

    partition, run = await parked_run(New)
    [started] = await partition.send(start_command(New, "a", Order(), on_conflict="terminate_existing"))
    assert (started.effect, partition.state("flow::a", run).status) == ("applied", "cancelled")


async def test_a_cancelled_parked_run_is_kept_for_the_workers_retention() -> None:
    partition, _ = await parked_run(New)
    await partition.send(cancel_command(Old, "a"))
    await partition.skip(partition.shard.retention - timedelta(seconds=1))
    assert "i" in partition.tables()
    await partition.skip(timedelta(days=1))
    assert "i" not in partition.tables()


@pytest.mark.parity(19)
async def test_the_timers_of_a_parked_run_are_held_and_told() -> None:
    partition, _ = await parked_run(New)
    batch = await partition.skip(HOUR)
    assert [timer.key for timer in batch.held] == ["flow::a"]
    assert [*batch.parked] == [("Flow", 1, ())]
    assert "t" in partition.tables()


@pytest.mark.parity(19)
async def test_a_run_moves_to_another_version() -> None:
    partition = Partition((Old, New))
    start = start_command(Old, "a", Order())
    await partition.send(start)

    [moved] = await partition.send(migrate_command(New, "a"))
    await partition.send(resume_command(New, "a", New.stars.received, Stars(stars=5)))

    assert (moved.effect, moved.run) == ("applied", start.id)
    assert partition.state("flow::a", start.id).version == 2
    assert ("step_completed", "check") in partition.told(start.id)
    assert partition.history(start.id)[-1].version == 2


async def test_a_parked_run_moves_to_a_version_that_is_there_and_takes_its_events_along() -> None:
    partition, run = await parked_run(New)
    await partition.send(resume_command(Old, "a", Old.stars.received, Stars(stars=5)))

    [moved] = await partition.send(migrate_command(New, "a"))

    assert moved.effect == "applied"
    assert partition.state("flow::a", run).status == "completed"
    assert ("step_completed", "check") in partition.told(run)


async def test_a_refused_move_changes_nothing_and_releases_nothing() -> None:
    partition, run = await parked_run(Next)
    await partition.send(resume_command(Old, "a", Old.stars.received, Stars(stars=5)))

    [refused] = await partition.send(migrate_command(Next, "a"))

    assert refused.reason == "incompatible_version"
    state = partition.state("flow::a", run)
    assert (state.version, state.status, len(state.parked)) == (1, "waiting", 1)


async def test_a_run_does_not_move_to_a_version_that_cannot_read_its_input() -> None:
    class Strict(BaseModel, frozen=True):
        customer: str

    class Stricter(Workflow[Strict], key="flow", name="Flow", version=4):
        stars = WaitForEvent(Stars, timeout=HOUR)
        done = Done()
        start = stars
        transitions = (stars.received.to(done), stars.timed_out.to(done))

    partition = Partition((Old, Stricter))
    await partition.send(start_command(Old, "a", Order()))

    [refused] = await partition.send(migrate_command(Stricter, "a"))

    assert refused.message is not None
    assert "the input: customer: Field required" in refused.message


async def test_a_run_does_not_move_to_a_version_that_cannot_read_its_results() -> None:
    class Review2(Workflow[Order], key="flow", name="Rated"):
        stars = WaitForEvent(Stars)
        wait = Wait(HOUR)
        done = Done()
        start = stars
        transitions = (stars.received.to(wait), wait.elapsed.to(done))

    class Percent(BaseModel, frozen=True):
        percent: int

    class Review3(Workflow[Order], key="flow", name="Rated", version=2):
        stars = WaitForEvent(Percent)
        wait = Wait(HOUR)
        done = Done()
        start = stars
        transitions = (stars.received.to(wait), wait.elapsed.to(done))

    partition = Partition((Review2, Review3))
    await partition.send(start_command(Review2, "a", Order()))
    await partition.send(resume_command(Review2, "a", Review2.stars.received, Stars(stars=5)))

    [refused] = await partition.send(migrate_command(Review3, "a"))

    assert refused.message is not None
    assert "stars.received: percent: Field required" in refused.message


async def test_a_run_does_not_move_beside_one_that_claims_its_key() -> None:
    class One(Workflow[Order], key="flow", name="Scoped", scope="version"):
        stars = WaitForEvent(Stars)
        done = Done()
        start = stars
        transitions = (stars.received.to(done),)

    class Two(Workflow[Order], key="flow", name="Scoped", scope="version", version=2):
        stars = WaitForEvent(Stars)
        done = Done()
        start = stars
        transitions = (stars.received.to(done),)

    partition = Partition((One, Two))
    one, two = start_command(One, "a", Order()), start_command(Two, "a", Order())
    await partition.send(one, two)

    [refused] = await partition.send(migrate_command(Two, "a", run=one.id))

    assert (refused.reason, refused.run) == ("already_running", two.id)


async def test_a_move_to_an_unknown_version_is_refused() -> None:
    partition, run = await parked_run(Old)
    [refused] = await partition.send(migrate_command(New, "a"))
    assert (refused.reason, refused.run) == ("unknown_version", run)


@pytest.mark.parametrize("fold", [True, False])
async def test_a_step_that_is_being_executed_begins_again_in_the_new_version(*, fold: bool) -> None:
    class Slow(Workflow[Order], key="flow", name="Slow"):
        work = Thread()
        done = Done()
        start = work
        transitions = (work.done.to(done),)

    class Slower(Workflow[Order], key="flow", name="Slow", version=2):
        work = Thread()
        more = Work()
        done = Done()
        start = work
        transitions = (work.done.to(more), more.done.to(done))

    partition = Partition((Slow, Slower))
    start = start_command(Slow, "a", Order())
    await partition.cycle(partition.record(start))

    batch = await partition.cycle(partition.record(migrate_command(Slower, "a")), fold=fold)
    await partition.finish(batch)

    assert replies(batch)[0].effect == "applied"
    state = partition.state("flow::a", start.id)
    assert (state.status, state.nodes["work"].attempt) == ("completed", 2)
    assert ("step_completed", "more") in partition.told(start.id)


async def test_a_parked_run_that_is_cancelled_keeps_its_key_as_long_as_its_workflow_says() -> None:
    class Once(Workflow[Order], key="flow", name="Once", reuse="never", retention=timedelta(days=365)):
        stars = WaitForEvent(Stars)
        done = Done()
        start = stars
        transitions = (stars.received.to(done),)

    both = Partition((Once, New))
    await both.send(start_command(Once, "a", Order()))
    partition = both.under(New)
    await partition.send(cancel_command(Once, "a"))

    again = partition.under(Once)
    again.now += timedelta(days=300)
    [refused] = await again.send(start_command(Once, "a", Order()))
    again.now += timedelta(days=66)
    [started] = await again.send(start_command(Once, "a", Order()))

    assert (refused.reason, started.effect) == ("key_used", "applied")


async def test_a_run_does_not_move_to_a_version_with_another_key() -> None:
    class Renamed(Workflow[Order], key="renamed", name="Flow", version=2):
        stars = WaitForEvent(Stars, timeout=HOUR)
        done = Done()
        start = stars
        transitions = (stars.received.to(done), stars.timed_out.to(done))

    partition = Partition((Old, Renamed))
    await partition.send(start_command(Old, "a", Order()))
    moved = migrate_command(Old, "a").model_copy(update={"to_version": 2})

    [refused] = await partition.send(moved)

    assert refused.reason == "invalid_key"


async def test_a_step_that_a_kept_event_begins_was_not_begun_before() -> None:
    class Asking(Workflow[Order], key="flow", name="Asking"):
        stars = WaitForEvent(Stars)
        work = Thread()
        done = Done()
        start = stars
        transitions = (stars.received.to(work), work.done.to(done))

    both = Partition((Asking,))
    start = start_command(Asking, "a", Order())
    await both.send(start)
    await both.under(New).send(resume_command(Asking, "a", Asking.stars.received, Stars(stars=5)))

    heir = both.under(Asking)
    await heir.finish(await heir.take_over(worker_lost=True))

    assert heir.told(start.id)[3:] == [
        ("event_kept", "stars"),
        ("resumed", "stars"),
        ("step_completed", "stars"),
        ("step_started", "work"),
        ("step_completed", "work"),
        ("completed", "done"),
    ]


async def test_a_kept_event_that_the_engine_fails_on_halts_its_run_and_refuses_no_migration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    partition, run = await parked_run(New)
    await partition.send(resume_command(Old, "a", Old.stars.received, Stars(stars=5)))

    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(parking, "release", explode)

    [moved] = await partition.send(migrate_command(New, "a"))

    assert moved.effect == "applied"
    state = partition.state("flow::a", run)
    assert state.version == 2
    assert state.halted is not None
