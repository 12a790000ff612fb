"""Versions under a simulator: what a rollout does to runs that live."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream import CommandRefusedError, Context, Done, Event, Failed, Instance, Outcome, Step, Workflow
from hephaestus_stream import WaitForEvent as Await
from hephaestus_stream.errors import SimulatorError
from hephaestus_stream.testing import Simulator

HOUR = timedelta(hours=1)


class Note(Step[object]):
    noted = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.noted()


class First(Workflow[None], key="rollout", name="Rollout"):
    ask = Await(timeout=HOUR)
    end = Done()
    late = Failed("nobody came")
    start = ask
    transitions = (ask.received.to(end), ask.timed_out.to(late))


class Second(Workflow[None], key="rollout", name="Rollout", version=2):
    ask = Await(timeout=HOUR)
    note = Note()
    end = Done()
    late = Failed("nobody came")
    start = ask
    transitions = (ask.received.to(note), ask.timed_out.to(late), note.noted.to(end))


class Other(Workflow[None], key="rollout"):
    note = Note()
    end = Done()
    start = note
    transitions = (note.noted.to(end),)


async def test_a_run_is_parked_by_a_deployment_that_lacks_its_version() -> None:
    simulator = Simulator()
    run = await simulator.start(First, "a", None)
    assert run.parked is None

    await simulator.deploy(Second)
    run = await simulator.skip(run, 2 * HOUR)

    assert run.status == "waiting"
    assert run.parked is not None
    assert "has Rollout in version 2, and not in version 1" in run.parked


async def test_a_parked_run_goes_on_with_what_was_kept_when_its_version_is_back() -> None:
    simulator = Simulator()
    run = await simulator.start(First, "a", None)
    await simulator.deploy(Second)
    run = await simulator.resume(run, First.ask.received)
    assert run.status == "waiting"

    await simulator.deploy(First, Second)

    run = simulator.get(run)
    assert (run.status, run.ended_at, run.parked) == ("completed", "end", None)


async def test_a_timer_that_was_due_while_its_run_was_parked_fires_when_the_version_is_back() -> None:
    simulator = Simulator()
    run = await simulator.start(First, "a", None)
    await simulator.deploy(Second)
    await simulator.skip(2 * HOUR)

    await simulator.deploy(First)

    assert simulator.get(run).ended_at == "late"


async def test_parked_runs_go_on_when_another_is_started_in_their_version() -> None:
    simulator = Simulator()
    told = await simulator.start(First, "told", None)
    late = await simulator.start(First, "late", None)
    await simulator.deploy(Second)
    await simulator.resume(told, First.ask.received)
    await simulator.skip(2 * HOUR)

    await simulator.start(First, "new", None)

    assert (simulator.get(told).ended_at, simulator.get(late).ended_at) == ("end", "late")


async def test_a_held_timer_fires_when_its_run_has_moved() -> None:
    simulator = Simulator()
    run = await simulator.start(First, "a", None)
    await simulator.deploy(Second)
    run = await simulator.skip(run, 2 * HOUR)

    run = await simulator.migrate(run, Second)

    assert (run.ended_at, run.state.version) == ("late", 2)


async def test_a_run_moves_to_another_version_and_is_drawn_as_that() -> None:
    simulator = Simulator()
    run = await simulator.start(First, "a", None)

    run = await simulator.migrate(run, Second)
    run = await simulator.resume(run, Second.ask.received)

    assert run.path == ("ask", "note", "end")
    assert "note" in str(run)


async def test_a_refused_move_is_an_error() -> None:
    simulator = Simulator()
    run = await simulator.start(Second, "a", None)
    run = await simulator.resume(run, Second.ask.received)
    with pytest.raises(CommandRefusedError, match="has ended"):
        await simulator.migrate(run, First)


async def test_a_class_of_another_name_is_no_version_of_the_run() -> None:
    simulator = Simulator()
    run = await simulator.start(First, "a", None)
    with pytest.raises(SimulatorError, match="give a version of Rollout"):
        await simulator.migrate(run, Other)
