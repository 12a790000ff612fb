"""One live run of a key in its scope; whether an ended key starts again, and when its name is free."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hephaestus_stream import Done, Failed, WaitForEvent, Workflow
from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.core.definition import Reuse, Scope
from hephaestus_stream.core.limits import MAX_ENDED_RUNS
from hephaestus_stream.wire.command import ResumeCommand, new_id
from hephaestus_stream.wire.request import cancel_command, start_command
from tests.cycle.flows import Order, Stars
from tests.cycle.partition import BEGIN, Partition

pytestmark = pytest.mark.parity(15)

SECOND = timedelta(seconds=1)


def flow_of(
    *,
    scope: Scope = "workflow",
    reuse: Reuse = "always",
    retention: timedelta | None = None,
    name: str = "Flow",
    version: int = 1,
) -> type[Workflow[Order]]:
    class Flow(Workflow[Order], key="flow", name=name, version=version, scope=scope, reuse=reuse, retention=retention):
        stars = WaitForEvent(Stars, timeout=timedelta(hours=1))
        end = Done()
        late = Failed("nobody came")
        start = stars
        transitions = (stars.received.to(end), stars.timed_out.to(late))

    return Flow


async def end(partition: Partition, flow: type[Workflow[Order]], how: str) -> str:
    """Starts a run of `a` and brings it to an end; returns it."""
    start = start_command(flow, "a", Order())
    await partition.send(start)
    match how:
        case "completed":
            await partition.send(
                ResumeCommand(id=new_id(), workflow="Flow", key="flow::a", event="received", payload={"stars": 5})
            )
        case "failed":
            await partition.skip(timedelta(hours=1))
        case _:
            await partition.send(cancel_command(flow, "a"))
    assert partition.state("flow::a", start.id).status == how
    return start.id


async def answer_to_a_start(
    partition: Partition, flow: type[Workflow[Order]], on_conflict: OnConflict = "reject"
) -> tuple[str | None, str | None]:
    """The effect or the reason, and the run."""
    [reply] = await partition.send(start_command(flow, "a", Order(), on_conflict=on_conflict))
    return reply.effect or reply.reason, reply.run


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("reuse", ["always", "after_failure", "never"])
async def test_an_ended_key_starts_again_as_its_reuse_allows_and_a_refusal_names_the_former_run(
    reuse: Reuse, how: str
) -> None:
    flow = flow_of(reuse=reuse)
    partition = Partition((flow,))
    former = await end(partition, flow, how)

    effect, run = await answer_to_a_start(partition, flow)

    allowed = reuse == "always" or (reuse == "after_failure" and how != "completed")
    assert effect == ("applied" if allowed else "key_used")
    assert (run == former) is not allowed


@pytest.mark.parity(27)
@pytest.mark.parametrize("policy", ["reject", "return_existing", "terminate_existing"])
async def test_of_two_starts_at_the_same_moment_one_wins_and_the_other_learns_the_winner(policy: OnConflict) -> None:
    flow = flow_of()
    partition = Partition((flow,))
    one, other = (start_command(flow, "a", Order(), on_conflict=policy) for _ in range(2))

    first, second = await partition.send(one, other)

    live = other if policy == "terminate_existing" else one
    assert (first.effect, first.run) == ("applied", one.id)
    assert second.run == live.id
    assert partition.state("flow::a", live.id).status == "waiting"
    assert partition.tables().count("i") == (2 if policy == "terminate_existing" else 1)
    if policy == "reject":
        assert (second.accepted, second.reason) == (False, "already_running")
        assert f"(run {one.id})" in (second.message or "")


async def test_a_start_that_terminates_ends_every_run_in_its_way_and_no_other() -> None:
    old, new, other = flow_of(scope="version"), flow_of(version=2), flow_of(scope="version", name="Other")
    partition = Partition((old, new, other))
    beside, replaced = start_command(other, "a", Order()), start_command(old, "a", Order())
    await partition.send(beside, replaced)

    effect, run = await answer_to_a_start(partition, new, "terminate_existing")

    assert effect == "applied"
    assert partition.state("flow::a", replaced.id).status == "cancelled"
    assert partition.history(replaced.id)[-1].details["reason"] == f"replaced by run {run}"
    assert partition.state("flow::a", beside.id).status == "waiting"


async def test_without_a_scope_runs_of_one_key_live_side_by_side_and_are_told_apart_by_their_names() -> None:
    flow = flow_of(scope="none")
    partition = Partition((flow,))
    one, other = start_command(flow, "a", Order()), start_command(flow, "a", Order())
    await partition.send(one, other)

    [ambiguous] = await partition.send(cancel_command(flow, "a"))
    [named] = await partition.send(cancel_command(flow, "a", run=one.id))

    assert ambiguous.reason == "ambiguous"
    assert one.id in (ambiguous.message or "")
    assert other.id in (ambiguous.message or "")
    assert (named.effect, named.run) == ("applied", one.id)
    assert partition.state("flow::a", other.id).status == "waiting"


@pytest.mark.parametrize(
    ("own", "kept_for"),
    [(timedelta(days=3), timedelta(days=3)), (None, timedelta(days=40))],
    ids=["the workflow's", "the worker's"],
)
@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
async def test_an_ended_run_leaves_after_its_retention_and_its_key_is_free_again(
    how: str, own: timedelta | None, kept_for: timedelta
) -> None:
    flow = flow_of(reuse="never", retention=own)
    partition = Partition((flow,))
    partition.shard = replace(partition.shard, retention=timedelta(days=40))
    former = await end(partition, flow, how)
    ended = partition.now

    partition.now = ended + kept_for - SECOND
    await partition.cycle()
    assert await answer_to_a_start(partition, flow) == ("key_used", former)
    partition.now = ended + kept_for + SECOND
    await partition.cycle()

    effect, run = await answer_to_a_start(partition, flow)
    assert effect == "applied"
    assert run != former
    assert partition.tables().count("i") == 1
    assert partition.kept_history(former) == []


async def test_a_key_forgets_the_oldest_of_many_runs_which_are_still_kept_and_answer_to_their_names() -> None:
    flow = flow_of()
    partition = Partition((flow,))
    runs = [await end(partition, flow, "cancelled") for _ in range(MAX_ENDED_RUNS + 3)]

    [oldest] = await partition.send(cancel_command(flow, "a", run=runs[0]))
    [unknown] = await partition.send(cancel_command(flow, "a", run="never-was"))

    assert partition.now == BEGIN
    assert oldest.reason == "ended"
    assert unknown.reason == "not_found"
    assert partition.state("flow::a", runs[0]).status == "cancelled"


async def test_a_key_that_has_run_very_often_still_knows_that_it_was_completed_once() -> None:
    flow, often = flow_of(reuse="after_failure"), flow_of(name="Often")
    partition = Partition((flow, often))
    completed = await end(partition, flow, "completed")
    for _ in range(MAX_ENDED_RUNS + 3):
        await end(partition, often, "cancelled")

    assert await answer_to_a_start(partition, flow) == ("key_used", completed)


@pytest.mark.parity(18, 27)
async def test_a_refused_start_stands_in_the_history_of_the_run_that_lives() -> None:
    partition = Partition((flow := flow_of(),))
    first, second = start_command(flow, "a", Order()), start_command(flow, "a", Order())
    await partition.send(first)

    [refused] = await partition.send(second)
    await partition.send(second)

    told = partition.history(first.id)[-1]
    assert (told.type, told.details) == (
        "start_refused",
        {"command": second.id, "reason": "already_running", "message": refused.message},
    )
    assert [event.type for event in partition.history(first.id)].count("start_refused") == 1


async def test_a_start_that_an_ended_run_stands_against_leaves_that_run_as_it_ended() -> None:
    partition = Partition((flow := flow_of(reuse="never"),))
    ended = await end(partition, flow, "completed")
    await partition.send(start_command(flow, "a", Order()))
    assert partition.history(ended)[-1].type == "completed"


async def test_the_first_start_after_the_retention_is_taken() -> None:
    partition = Partition((flow := flow_of(reuse="never", retention=timedelta(days=1)),))
    await end(partition, flow, "completed")

    partition.now += timedelta(days=1)
    [reply] = await partition.send(start_command(flow, "a", Order()))

    assert reply.effect == "applied"
