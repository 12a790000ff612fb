from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from hephaestus_stream import CommandRefusedError, Context, Done, Event, Instance, Outcome, Step, Wait, Workflow
from hephaestus_stream.errors import SimulatorError
from hephaestus_stream.testing import HANGS, Simulator
from tests.testing.flows import CHAIR, Buying, Charge, Payment, Purchase

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
A_MOMENT = timedelta(milliseconds=10)


async def test_time_passes_for_all_runs() -> None:
    simulator = Simulator()
    for each in ("1", "2"):
        await simulator.start(Buying, each, CHAIR)

    await simulator.skip(timedelta(days=14))

    assert [run.waiting for run in simulator.runs()] == [("review",), ("review",)]
    assert simulator.now == BEGINNING + timedelta(days=14)


async def test_time_may_be_skipped_until_an_instant_as_the_next_that_is_due() -> None:
    simulator = Simulator()
    run = await simulator.start(Buying, "1", CHAIR)
    assert run.due_at is not None

    run = await simulator.skip(run, run.due_at)

    assert simulator.now == BEGINNING + timedelta(days=14)
    assert (run.waiting, run.due_at) == (("review",), BEGINNING + timedelta(days=44))


async def test_what_is_due_one_after_the_other_happens_at_its_own_moment() -> None:
    simulator = Simulator()
    run = await simulator.start(Buying, "1", CHAIR)
    run = await simulator.skip(run, timedelta(days=60))

    assert run.history[-1].at == BEGINNING + timedelta(days=44)


class Punctual(Workflow[None], key="punctual"):
    nothing = Wait(timedelta(0))
    long_ago = Wait(datetime(2020, 1, 1, tzinfo=UTC))
    done = Done()
    start = nothing
    transitions = (nothing.elapsed.to(long_ago), long_ago.elapsed.to(done))


async def test_a_wait_for_what_is_due_already_takes_no_time() -> None:
    run = await Simulator().start(Punctual, "1", None)

    assert run.status == "completed"


async def test_an_attempt_that_hangs_fails_when_its_timeout_is_over_and_is_tried_again() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, HANGS, Charge.charged(Payment(reference="p-1")))
    run = await simulator.start(Buying, "1", CHAIR)
    run = await simulator.skip(run, timedelta(seconds=19))
    assert run.running == ("charge",)

    run = await simulator.skip(run, timedelta(seconds=1))
    assert (run.running, run.due_at) == ((), BEGINNING + timedelta(seconds=21))
    run = await simulator.skip(run, timedelta(seconds=1))

    assert [event.details["error"] for event in run.history if event.type == "step_failed"] == ["StepTimeoutError"]
    assert run.results["charge"] == {"reference": "p-1"}


async def test_a_timeout_stops_a_step_that_really_hangs() -> None:
    stopped: list[bool] = []

    async def hang(_instance: Instance, _config: None, _context: Context[Purchase]) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)
        return Charge.declined()

    simulator = Simulator(patience=A_MOMENT)
    simulator.stub(Buying.charge, hang)
    run = await simulator.start(Buying, "1", CHAIR)
    run = await simulator.skip(run, timedelta(seconds=20))

    assert (stopped, run.running) == ([True], ())


class Hasty(Step[None]):
    """Takes longer than it may, in real time."""

    done = Event()
    timeout = timedelta(microseconds=1)

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        await asyncio.sleep(0.01)
        return self.done()


class Haste(Workflow[None], key="haste"):
    hasty = Hasty()
    done = Done()
    start = hasty
    transitions = (hasty.done.to(done),)


async def test_real_time_does_not_count_against_a_timeout() -> None:
    run = await Simulator().start(Haste, "1", None)

    assert (run.status, run.attempts["hasty"]) == ("completed", 1)


async def test_a_step_that_outlasts_the_patience_of_one_verb_is_waited_for_by_the_next() -> None:
    released = threading.Event()

    class Slow(Step[None]):
        done = Event()

        def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
            released.wait(10)
            return self.done()

    class Patient(Workflow[None], key="patient"):
        slow = Slow()
        done = Done()
        start = slow
        transitions = (slow.done.to(done),)

    simulator = Simulator(patience=A_MOMENT)
    run = await simulator.start(Patient, "1", None)
    assert run.running == ("slow",)

    released.set()
    while run.status == "running":
        run = await simulator.skip(run, timedelta(0))

    assert run.status == "completed"


async def test_a_run_stays_readable_when_its_retention_is_over_and_the_worker_has_forgotten_it() -> None:
    simulator = Simulator()
    run = await simulator.start(Buying, "1", Purchase(amount=0))
    run = await simulator.skip(run, timedelta(days=365))

    assert (run.ended_at, simulator.runs()) == ("refused", (run,))
    with pytest.raises(CommandRefusedError) as refused:
        await simulator.cancel(run)
    assert refused.value.reason == "not_found"


async def test_time_does_not_go_back() -> None:
    simulator = Simulator()
    with pytest.raises(SimulatorError, match="skip cannot go back"):
        await simulator.skip(timedelta(seconds=-1))
    with pytest.raises(SimulatorError, match="skip cannot go back"):
        await simulator.skip(BEGINNING - timedelta(days=1))


async def test_an_instant_has_a_time_zone() -> None:
    with pytest.raises(SimulatorError, match=r"now=\.\.\.\) got .* no time zone; give datetime\(\.\.\., tzinfo=UTC\)"):
        Simulator(now=datetime(2026, 1, 1))  # noqa: DTZ001 - refused
    with pytest.raises(SimulatorError, match=r"skip got .* no time zone"):
        await Simulator().skip(datetime(2027, 1, 1))  # noqa: DTZ001 - refused
    with pytest.raises(SimulatorError, match="skip got 14, which is no instant"):
        await Simulator().skip(14)  # type: ignore[call-overload]
