"""The words for how a run stands."""

from __future__ import annotations

import pytest

from hephaestus_stream import Done, Failed, Workflow
from hephaestus_stream.core.decision import StopStep
from tests.core.flows import Check, Work
from tests.core.play import Play

pytestmark = pytest.mark.parity(17)


class Flow(Workflow[None], key="order"):
    first = Work()
    left = Check()
    right = Work()
    end = Done()
    refused = Failed("refused")
    start = first
    transitions = (
        first.done.to(left, right),
        left.passed.to(end),
        left.failed.to(refused),
        right.done.to(end),
    )


def test_a_run_runs_while_any_node_does_and_waits_when_all_that_is_left_waits() -> None:
    play = Play(Flow)
    assert play.status == "running"
    play.emit("first")
    play.suspend("left")
    assert play.status == "running"
    play.suspend("right")
    assert play.status == "waiting"
    play.fail("first")  # too late, and no matter
    assert play.status == "waiting"


def test_a_step_that_awaits_its_retry_keeps_its_run_running() -> None:
    play = Play(Flow)
    play.fail("first")
    assert play.status == "running"


def test_a_run_is_completed_failed_or_cancelled_in_the_end() -> None:
    completed, failed, cancelled = Play(Flow), Play(Flow), Play(Flow)
    for play in (completed, failed):
        play.emit("first")
    completed.emit("left", "passed")
    completed.emit("right")
    failed.emit("left", "failed")
    cancelled.cancel()
    assert [play.status for play in (completed, failed, cancelled)] == ["completed", "failed", "cancelled"]


def test_a_cancel_stops_each_step_that_runs_and_takes_nothing_of_it_afterwards() -> None:
    play = Play(Flow)
    play.emit("first")
    play.suspend("left")
    play.cancel("enough")
    assert play.effects(StopStep) == [StopStep("right", 1)]
    ended = play.state
    play.emit("right")
    assert play.state is ended
