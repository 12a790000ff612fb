"""Retries to the letter: which attempts there are, when each is due, and what is told of the last one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from hephaestus_stream import Done, RetryPolicy, Workflow
from hephaestus_stream.core.decision import RunStep, SetTimer
from hephaestus_stream.core.input import StepFailed
from hephaestus_stream.core.state import Error
from tests.core.flows import Work
from tests.core.play import Play

pytestmark = pytest.mark.parity(10)

SECOND = timedelta(seconds=1)
BUSY = Error("RetryAfterError", "busy", "Traceback: busy\n")


def flow(policy: RetryPolicy | None, *, of_workflow: RetryPolicy | None = None) -> type[Workflow[None]]:
    class Fickle(Work):
        retry = policy

    class Flow(Workflow[None], key="order", retry=of_workflow):
        step = Fickle()
        end = Done()
        start = step
        transitions = (step.done.to(end),)

    return Flow


def delays(play: Play, *, jitter: float = 0.5) -> list[timedelta]:
    """Fails every attempt until the run fails; the delays before the next ones."""
    found: list[timedelta] = []
    while play.state.is_live:
        play.fail("step", attempt=play.state.nodes["step"].attempt, jitter=jitter)
        if play.state.is_live:
            [timer] = play.effects(SetTimer)
            found.append(timer.due_at - play.now)
            play.fire("step", "retry")
    return found


@pytest.mark.parametrize(
    ("backoff", "seconds"),
    [("exponential", [3, 6, 12, 20, 20]), ("linear", [3, 6, 9, 12, 15]), ("constant", [3, 3, 3, 3, 3])],
)
def test_the_attempts_come_as_the_backoff_says(
    backoff: Literal["exponential", "linear", "constant"], seconds: list[int]
) -> None:
    policy = RetryPolicy(max_attempts=6, backoff=backoff, initial_delay=3 * SECOND, max_delay=20 * SECOND, jitter=0)
    play = Play(flow(policy))
    assert delays(play) == [each * SECOND for each in seconds]
    assert [event.attempt for event in play.history if event.type == "step_started"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, [6, 12, 15]), (0.5, [8, 16, 20]), (0.75, [9, 18, 20])])
def test_the_core_spreads_a_delay_by_the_number_that_it_is_given(jitter: float, seconds: list[int]) -> None:
    policy = RetryPolicy(max_attempts=4, initial_delay=8 * SECOND, max_delay=20 * SECOND, jitter=0.5)
    assert delays(Play(flow(policy)), jitter=jitter) == [each * SECOND for each in seconds]


def test_the_policy_of_the_step_comes_before_the_workflows_and_that_before_the_librarys() -> None:
    two, three = RetryPolicy(max_attempts=2), RetryPolicy(max_attempts=3)
    assert len(delays(Play(flow(two, of_workflow=three)))) == 1
    assert len(delays(Play(flow(None, of_workflow=three)))) == 2
    assert len(delays(Play(flow(None)))) == 4


def test_one_attempt_means_no_retry() -> None:
    play = Play(flow(RetryPolicy(max_attempts=1)))
    assert delays(play) == []
    assert play.status == "failed"


@pytest.mark.parametrize("asked", [timedelta(0), SECOND / 2, timedelta(hours=3)], ids=["none", "shorter", "longer"])
def test_the_delay_that_a_step_asks_for_comes_before_policy_bound_and_jitter(asked: timedelta) -> None:
    policy = RetryPolicy(max_attempts=3, initial_delay=10 * SECOND, max_delay=20 * SECOND, jitter=1)
    play = Play(flow(policy))
    play.tell(StepFailed("step", 1, BUSY, jitter=0.9, retry_after=asked))
    assert play.effects(SetTimer) == [SetTimer("step", 1, "retry", play.now + asked)]
    play.fire("step", "retry")
    assert play.effects(RunStep) == [RunStep("step", 2)]


def test_an_attempt_with_a_delay_of_its_own_counts_as_any_other() -> None:
    play = Play(flow(RetryPolicy(max_attempts=3, initial_delay=10 * SECOND, jitter=0)))
    play.tell(StepFailed("step", 1, BUSY, retry_after=SECOND))
    play.fire("step", "retry")
    play.fail("step", attempt=2)
    # The second failure of the step is the second for its policy.
    assert play.effects(SetTimer)[0].due_at - play.now == 20 * SECOND
    play.fire("step", "retry")
    play.tell(StepFailed("step", 3, BUSY, retry_after=SECOND))
    assert play.effects(SetTimer) == []
    assert play.status == "failed"


def test_an_error_that_no_retry_mends_asks_for_a_delay_in_vain() -> None:
    play = Play(flow(RetryPolicy(max_attempts=3)))
    play.tell(StepFailed("step", 1, BUSY, permanent=True, retry_after=SECOND))
    assert (play.status, play.effects(SetTimer)) == ("failed", [])


@pytest.mark.parametrize(
    ("asked", "due_at"),
    [(timedelta(days=-1), None), (timedelta.max, datetime.max.replace(tzinfo=UTC))],
    ids=["a negative one", "the longest"],
)
def test_a_senseless_delay_is_none_or_for_ever(asked: timedelta, due_at: datetime | None) -> None:
    play = Play(flow(RetryPolicy()))
    play.tell(StepFailed("step", 1, BUSY, retry_after=asked))
    assert play.effects(SetTimer) == [SetTimer("step", 1, "retry", due_at or play.now)]


def test_the_last_error_of_an_exhausted_step_is_the_runs_with_its_traceback_in_the_history() -> None:
    play = Play(flow(RetryPolicy(max_attempts=2)))
    play.tell(StepFailed("step", 1, Error("ConnectionError", "first", "Traceback: first\n")))
    play.fire("step", "retry")
    play.tell(StepFailed("step", 2, Error("TimeoutError", "second", "Traceback: second\n")))
    failures = [event for event in play.history if event.type == "step_failed"]
    assert [event.attempt for event in failures] == [1, 2]
    assert [event.details for event in failures] == [
        {"error": "ConnectionError", "message": "first", "traceback": "Traceback: first\n"},
        {"error": "TimeoutError", "message": "second", "traceback": "Traceback: second\n"},
    ]
    assert play.state.error == Error("TimeoutError", "second")
    assert play.history[-1].details == {"error": "TimeoutError", "message": "second"}


def test_the_history_tells_when_the_next_attempt_is_due() -> None:
    play = Play(flow(RetryPolicy()))
    play.tell(StepFailed("step", 1, BUSY, retry_after=timedelta(minutes=5)))
    [scheduled] = [event for event in play.history if event.type == "retry_scheduled"]
    assert scheduled.attempt == 2
    assert scheduled.details == {"due_at": (play.now + timedelta(minutes=5)).isoformat()}
