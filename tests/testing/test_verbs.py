from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from datetime import timedelta

import pytest

from hephaestus_stream import (
    CommandError,
    Context,
    Done,
    Event,
    Failed,
    Instance,
    Outcome,
    Step,
    WaitForEvent,
    Workflow,
)
from hephaestus_stream.core.catalog import DuplicateWorkflowError
from hephaestus_stream.errors import SimulatorError
from hephaestus_stream.testing import Simulator
from workflows.order import OrderFlow, Review

RELEASED = threading.Event()


class Fork(Step[None]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done()


class Slow(Step[None]):
    done = Event()

    def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        RELEASED.wait(10)
        return self.done()


class Refusing(Step[None]):
    done = Event()
    refused = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.refused()


class Interrupted(Workflow[None], key="interrupted"):
    fork = Fork()
    slow = Slow()
    refusing = Refusing()
    end = Done()
    failed = Failed("refused")

    start = fork
    transitions = (
        fork.done.to(slow, refusing),
        slow.done.to(end),
        refusing.done.to(end),
        refusing.refused.to(failed),
    )


async def test_an_ending_stops_what_runs_beside_it() -> None:
    try:
        run = await Simulator().start(Interrupted, "1", None)
    finally:
        RELEASED.set()

    assert (run.status, run.ended_at, run.path) == ("failed", "failed", ("fork", "refusing", "failed"))
    assert [event.node for event in run.history if event.type == "interrupted"] == ["slow"]


class Tagged(Workflow[None], key="tagged", tags=("ours",)):
    fork = Fork()
    end = Done()
    start = fork
    transitions = (fork.done.to(end),)


async def test_a_start_may_have_tags_metadata_and_an_id_of_its_own() -> None:
    simulator = Simulator()
    run = await simulator.start(Tagged, "1", None, tags=("mine",), metadata={"by": "me"}, command_id="c-1")
    again = await simulator.start(Tagged, "1", None, tags=("mine",), metadata={"by": "me"}, command_id="c-1")

    assert (run.run, again.run) == ("c-1", "c-1")
    assert len(again.history) == len(run.history)


async def test_a_stub_keeps_its_node_so_that_no_other_one_at_its_address_takes_it_over() -> None:
    simulator, node = Simulator(), Slow()
    simulator.stub(node, ConnectionError("down"))
    kept = weakref.ref(node)
    del node
    gc.collect()

    assert kept() is not None


class Second(Workflow[None], key="tagged", name="Tagged", version=2):
    fork = Fork()
    wait = WaitForEvent(str)
    end = Done()
    start = fork
    transitions = (fork.done.to(wait), wait.received.to(end))


@pytest.mark.parity(19)
async def test_versions_live_side_by_side_and_a_start_takes_that_of_its_class() -> None:
    simulator = Simulator([Tagged, Second])
    first, second = await simulator.start(Tagged, "1", None), await simulator.start(Second, "2", None)

    assert [(run.workflow, run.status) for run in (first, second)] == [(Tagged, "completed"), (Second, "waiting")]
    assert [run.history[0].version for run in (first, second)] == [1, 2]


async def test_verbs_may_be_called_side_by_side() -> None:
    simulator = Simulator()
    runs = await asyncio.gather(*(simulator.start(Second, str(number), None) for number in range(10)))

    assert [run.id for run in runs] == [str(number) for number in range(10)]
    assert {run.waiting for run in runs} == {("wait",)}
    assert all([event.sequence for event in run.history] == list(range(1, len(run.history) + 1)) for run in runs)


async def test_two_classes_cannot_be_the_same_version() -> None:
    with pytest.raises(DuplicateWorkflowError, match="are both version 2 of Tagged"):
        Simulator([Second, another_second()])
    simulator = Simulator()
    await simulator.start(Second, "1", None)
    with pytest.raises(DuplicateWorkflowError, match="are both version 2 of Tagged"):
        await simulator.start(another_second(), "2", None)


def another_second() -> type[Workflow[None]]:
    class Twin(Workflow[None], key="tagged", name="Tagged", version=2):
        fork = Fork()
        end = Done()
        start = fork
        transitions = (fork.done.to(end),)

    return Twin


async def test_a_run_of_another_simulator_is_refused() -> None:
    run = await Simulator().start(Second, "1", None)
    other = Simulator()

    for verb in (
        other.skip(run, timedelta(1)),
        other.resume(run, Second.wait.received, "x"),
        other.cancel(run),
        other.crash(run),
    ):
        with pytest.raises(SimulatorError, match="tagged::1 runs in another simulator; call the verbs of the one"):
            await verb
    with pytest.raises(SimulatorError, match="runs in another simulator"):
        other.get(run)


async def test_an_event_of_another_workflows_node_is_refused() -> None:
    simulator = Simulator()
    run = await simulator.start(Second, "1", None)

    with pytest.raises(SimulatorError) as refused:
        await simulator.resume(run, OrderFlow.review.received, Review(stars=5))
    assert str(refused.value) == (
        "tagged::1 runs Tagged, and review.received is of a node of OrderFlow; give one of Tagged's events"
    )
    with pytest.raises(SimulatorError, match=r"is no event of a node; write it as OrderFlow\.review\.received"):
        await simulator.resume(run, Fork.done)  # type: ignore[call-overload]


async def test_a_wrong_payload_is_refused_before_it_is_sent() -> None:
    simulator = Simulator()
    with pytest.raises(CommandError, match="the input of OrderFlow cannot be sent"):
        await simulator.start(OrderFlow, "1", Review(stars=5))  # type: ignore[misc]
    run = await simulator.start(Second, "1", None)
    with pytest.raises(CommandError, match=r"wait\.received cannot be sent"):
        await simulator.resume(run, Second.wait.received, 5)  # type: ignore[misc]


async def test_what_is_no_workflow_no_run_and_no_commit_is_refused() -> None:
    simulator = Simulator()
    with pytest.raises(SimulatorError, match="is no workflow class; give one with start and transitions"):
        await simulator.start(Workflow, "1", None)
    with pytest.raises(SimulatorError, match="'tagged::1' is no run; give what start or another verb returned"):
        await simulator.cancel("tagged::1")  # type: ignore[arg-type]
    for crash in (simulator.crash_before_commit, simulator.crash_after_commit):
        with pytest.raises(SimulatorError, match="commits are counted from 1, the next one; got 0"):
            crash(0)


async def test_a_cancelled_run_says_why() -> None:
    simulator = Simulator()
    run = await simulator.start(Second, "1", None)
    run = await simulator.cancel(run, reason="changed my mind")

    assert (run.status, run.history[-1].details["reason"]) == ("cancelled", "changed my mind")
