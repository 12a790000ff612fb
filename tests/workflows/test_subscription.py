from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream.errors import CommandRefusedError
from hephaestus_stream.testing import SimulatedRun, Simulator
from workflows.subscription import Cancellation, Subscription, SubscriptionFlow

TRIAL, MONTH, NOTICE = timedelta(days=14), timedelta(days=30), timedelta(days=7)
MOVING = Cancellation(reason="moving")


async def test_nothing_is_paid_during_the_trial() -> None:
    simulator = Simulator()
    run = await _subscribed(simulator)

    run = await simulator.skip(run, TRIAL - timedelta(seconds=1))

    assert (run.waiting, dict(run.results)) == (("trial",), {})


async def test_a_trial_can_be_left_without_paying() -> None:
    simulator = Simulator()
    run = await _subscribed(simulator)

    run = await simulator.resume(run, SubscriptionFlow.trial.cancelled, MOVING)

    assert (run.status, run.ended_at) == ("completed", "not_convinced")
    assert "first_fee" not in run.path


async def test_each_month_is_paid_for_once_as_it_begins() -> None:
    simulator = Simulator()
    run = await _subscribed(simulator)

    run = await simulator.skip(run, TRIAL + MONTH)

    assert run.waiting == ("second_month",)
    assert [run.results[fee] for fee in ("first_fee", "second_fee")] == [
        {"reference": f"subscription::ada/{run.run}/first_fee"},
        {"reference": f"subscription::ada/{run.run}/second_fee"},
    ]


async def test_a_subscription_expires_after_the_last_month() -> None:
    simulator = Simulator()
    run = await _subscribed(simulator)

    run = await simulator.skip(run, TRIAL + 3 * MONTH)

    assert (run.status, run.ended_at) == ("completed", "expired")
    assert [node for node in run.path if node.endswith("_fee")] == ["first_fee", "second_fee", "third_fee"]


async def test_who_cancels_in_the_first_month_pays_no_second_and_leaves_after_the_notice() -> None:
    simulator = Simulator()
    run = await _subscribed(simulator)
    run = await simulator.skip(run, TRIAL + timedelta(days=3))

    run = await simulator.resume(run, SubscriptionFlow.first_month.cancelled, MOVING)
    assert run.waiting == ("notice",)
    run = await simulator.skip(run, NOTICE - timedelta(seconds=1))
    assert run.status == "waiting"
    run = await simulator.skip(run, timedelta(seconds=1))

    assert (run.status, run.ended_at) == ("completed", "cancelled")
    assert "second_fee" not in run.path


async def test_a_cancellation_sent_ahead_counts_when_its_month_begins() -> None:
    simulator = Simulator()
    run = await _subscribed(simulator)
    run = await simulator.resume(run, SubscriptionFlow.second_month.cancelled, MOVING)
    assert run.waiting == ("trial",)

    run = await simulator.skip(run, TRIAL + MONTH)

    assert run.waiting == ("notice",)


async def test_a_cancellation_of_a_month_that_is_over_is_refused() -> None:
    simulator = Simulator()
    run = await _subscribed(simulator)
    run = await simulator.skip(run, TRIAL + MONTH)

    with pytest.raises(CommandRefusedError, match="first_month") as refused:
        await simulator.resume(run, SubscriptionFlow.first_month.cancelled, MOVING)

    assert refused.value.reason == "settled"


async def _subscribed(simulator: Simulator) -> SimulatedRun:
    return await simulator.start(
        SubscriptionFlow, "ada", Subscription(plan="reader", trial=TRIAL, month=MONTH, notice=NOTICE)
    )
