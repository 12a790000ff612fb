"""The Simulator itself; the tests of the examples show it in use."""

from __future__ import annotations

import gc
import threading
import weakref

from hephaestus_stream import Context, Done, Event, Failed, Instance, Outcome, Step, Workflow
from hephaestus_stream.testing import Simulator

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
