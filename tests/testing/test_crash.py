from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hephaestus_stream import CommandRefusedError, Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.testing import HANGS, SimulatedRun, Simulator
from tests.testing.flows import CHAIR, Bank, Buying, Charge, Payment, Purchase
from workflows.approval import Account, ApprovalFlow, Decision, Expense
from workflows.order import Order, OrderFlow, Review

Crash = Callable[[Simulator, int], None]
Play = Callable[[Simulator], Awaitable[SimulatedRun]]


def before(simulator: Simulator, number: int) -> None:
    simulator.crash_before_commit(number)


def after(simulator: Simulator, number: int) -> None:
    simulator.crash_after_commit(number)


BOTH = pytest.mark.parametrize("crash", [before, after])
FOLDING = pytest.mark.parametrize("commit_each_step", [False, True])


async def test_a_step_that_was_running_when_its_worker_was_lost_runs_again_with_the_same_key() -> None:
    keys: list[str] = []

    async def hang_once(_instance: Instance, _config: None, context: Context[Purchase]) -> Outcome:
        keys.append(context.idempotency_key)
        if len(keys) == 1:
            await asyncio.Event().wait()
        return Charge.charged(Payment(reference="p-1"))

    simulator = Simulator(patience=timedelta(milliseconds=10))
    simulator.stub(Buying.charge, hang_once)
    run = await simulator.start(Buying, "1", CHAIR)
    assert run.running == ("charge",)

    run = await simulator.crash(run)

    assert keys == [f"purchase::1/{run.run}/charge"] * 2
    assert (run.attempts["charge"], run.results["charge"]) == (1, {"reference": "p-1"})
    assert types_of(run, "charge") == ["step_started", "step_restarted", "step_completed"]


async def test_what_was_not_committed_runs_again_and_is_recorded_once() -> None:
    simulator, bank = Simulator(), Bank()
    simulator.stub(Buying.charge, bank.charge)
    simulator.crash_before_commit(1)

    run = await simulator.start(Buying, "1", CHAIR)

    assert bank.keys == [f"purchase::1/{run.run}/charge"] * 2
    assert [event.type for event in run.history].count("started") == 1
    assert types_of(run, "charge") == ["step_started", "step_completed"]
    assert simulator.crashes == 1


@pytest.mark.parity(27)
async def test_a_client_whose_answer_is_lost_asks_again_and_starts_nothing_twice() -> None:
    simulator = Simulator(commit_each_step=True)
    simulator.crash_after_commit(1)

    run = await simulator.start(Buying, "1", CHAIR)

    assert [event.type for event in run.history].count("started") == 1
    assert types_of(run, "check") == ["step_started", "step_restarted", "step_completed"]
    assert len(simulator.runs()) == 1


@pytest.mark.parity(27)
async def test_an_event_whose_answer_is_lost_is_taken_once() -> None:
    simulator = Simulator()
    run = await simulator.start(Buying, "1", CHAIR)
    run = await simulator.skip(run, timedelta(days=14))
    simulator.crash_after_commit(1)

    run = await simulator.resume(run, Buying.review.received, "good")

    assert (run.status, run.results["review"]) == ("completed", "good")
    assert types_of(run, "review").count("resumed") == 1


async def test_a_refusal_whose_answer_is_lost_is_still_a_refusal() -> None:
    simulator = Simulator()
    await simulator.start(Buying, "1", CHAIR)
    simulator.crash_after_commit(1)

    with pytest.raises(CommandRefusedError) as refused:
        await simulator.start(Buying, "1", CHAIR)

    assert (refused.value.reason, simulator.crashes) == ("already_running", 1)


async def test_a_step_that_loses_its_workers_again_and_again_fails_its_attempt() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, HANGS, Charge.declined())
    run = await simulator.start(Buying, "1", CHAIR)

    for _ in range(3):
        run = await simulator.crash(run)

    failures = [event.details["error"] for event in run.history if event.type == "step_failed"]
    assert failures == ["WorkerLost"]
    run = await simulator.skip(run, timedelta(seconds=1))
    assert run.ended_at == "declined"


async def test_an_attempt_that_runs_again_is_given_the_same_stub_again() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, ConnectionError("down"), Charge.charged(Payment(reference="p-2")))
    simulator.crash_before_commit(1)

    run = await simulator.start(Buying, "1", CHAIR)
    assert [event.attempt for event in run.history if event.type == "step_failed"] == [1]
    run = await simulator.skip(run, timedelta(seconds=1))

    assert run.results["charge"] == {"reference": "p-2"}


async def test_after_a_crash_steps_begin_after_a_commit_for_a_minute() -> None:
    simulator = Simulator()
    await simulator.start(Buying, "1", CHAIR)
    folded = simulator.commits
    await simulator.crash()
    before_careful = simulator.commits

    await simulator.start(Buying, "2", CHAIR)
    careful = simulator.commits - before_careful
    await simulator.skip(timedelta(minutes=1))
    before_folding = simulator.commits
    await simulator.start(Buying, "3", CHAIR)

    assert careful > folded == simulator.commits - before_folding


async def test_each_step_may_have_a_commit_for_its_outcome() -> None:
    folding, stepwise = Simulator(), Simulator(commit_each_step=True)
    await folding.start(Buying, "1", CHAIR)
    await stepwise.start(Buying, "1", CHAIR)

    # The chain, and the blocking step with what follows it.
    assert folding.commits == 2
    # The start, and check, charge, pack and cool_off.
    assert stepwise.commits == 5


async def test_timers_survive_a_crash() -> None:
    simulator = Simulator()
    run = await simulator.start(Buying, "1", CHAIR)
    await simulator.crash()

    run = await simulator.skip(run, timedelta(days=14))

    assert run.waiting == ("review",)


class Forgetful(Step[None]):
    """Writes down that it was stopped."""

    done = Event()
    stopped: list[str]

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.append(instance.id)
        return self.done()


class Forgetting(Workflow[None], key="forgetting"):
    forget = Forgetful()
    done = Done()
    start = forget
    transitions = (forget.done.to(done),)


async def test_steps_of_a_lost_worker_have_stopped_when_the_new_one_begins() -> None:
    Forgetting.forget.stopped = []
    simulator = Simulator(patience=timedelta(milliseconds=10))
    await simulator.start(Forgetting, "1", None)

    await simulator.crash()

    assert Forgetting.forget.stopped == ["1"]


async def buy(simulator: Simulator) -> SimulatedRun:
    run = await simulator.start(Buying, "1", CHAIR)
    run = await simulator.skip(run, timedelta(days=15))
    return await simulator.resume(run, Buying.review.received, "good")


async def order(simulator: Simulator) -> SimulatedRun:
    run = await simulator.start(OrderFlow, "o-1", Order(sku="chair", quantity=2, customer="ada", card="flaky"))
    run = await simulator.skip(run, timedelta(days=3))
    return await simulator.resume(run, OrderFlow.review.received, Review(stars=5))


async def approve(simulator: Simulator) -> SimulatedRun:
    run = await simulator.start(ApprovalFlow, "e-1", Expense(title="chairs", amount=900, patience=timedelta(hours=4)))
    run = await simulator.resume(run, ApprovalFlow.finance.received, Account(account="4711"))
    run = await simulator.skip(run, timedelta(hours=4))
    return await simulator.resume(run, ApprovalFlow.director.approved, Decision(by="alan"))


@pytest.mark.parity(23)
@BOTH
@FOLDING
@pytest.mark.parametrize("play", [buy, order, approve])
async def test_wherever_a_worker_is_lost_the_run_comes_to_the_same_end(
    play: Play, crash: Crash, *, commit_each_step: bool
) -> None:
    undisturbed = Simulator(commit_each_step=commit_each_step)
    expected = told(await play(undisturbed))

    for number in range(1, undisturbed.commits + 1):
        simulator = Simulator(commit_each_step=commit_each_step)
        crash(simulator, number)
        assert told(await play(simulator)) == expected, f"a crash {crash.__name__} commit {number}"
        assert simulator.crashes == 1


def told(run: SimulatedRun) -> tuple[object, ...]:
    """What does not depend on when a worker was lost; the id of the run stands in its results."""
    results = {node: str(result).replace(run.run, "run") for node, result in run.results.items()}
    return run.status, run.ended_at, set(run.path), results, dict(run.attempts)


def types_of(run: SimulatedRun, node: str) -> list[str]:
    return [event.type for event in run.history if event.node == node]
