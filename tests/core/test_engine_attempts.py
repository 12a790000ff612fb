"""Retries, restarts, late outcomes, time and the sequence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from hephaestus_stream import Done, RetryPolicy, Workflow
from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.decision import ClearTimer, RunStep, SetTimer
from hephaestus_stream.core.engine import apply, halt
from hephaestus_stream.core.input import Cancel, Input, Recovered, Resume, StepEmitted, StepFailed, TimerFired
from hephaestus_stream.core.limits import MAX_PAYLOAD_BYTES, MAX_PROMPT_LOSSES, MAX_RESTARTS, PROMPT_LOSS
from hephaestus_stream.core.state import Error, Reported
from tests.core.flows import Work
from tests.core.large import wide_flow
from tests.core.play import BEGIN, DOWN, Play


class Fickle(Work):
    """Has a policy of its own."""

    retry = RetryPolicy(max_attempts=3, backoff="exponential", initial_delay=timedelta(seconds=10), jitter=0)


class Flow(Workflow[None], key="order", retry=RetryPolicy(max_attempts=2)):
    fickle = Fickle()
    work = Work()
    end = Done()
    start = fickle
    transitions = (fickle.done.to(work), work.done.to(end))


@pytest.mark.parity(10)
def test_a_failed_attempt_is_tried_again_after_its_delay() -> None:
    play = Play(Flow)
    play.fail("fickle")
    due_at = BEGIN + timedelta(seconds=10)
    assert play.told() == [("step_failed", "fickle"), ("retry_scheduled", "fickle"), ("timer_set", "fickle")]
    assert play.effects(SetTimer) == [SetTimer("fickle", 1, "retry", due_at)]
    assert play.status == "running"
    play.fire("fickle", "retry")
    assert play.effects(ClearTimer) == [ClearTimer("fickle", 1, "retry", due_at)]
    assert play.effects(RunStep) == [RunStep("fickle", 2)]


@pytest.mark.parity(10)
def test_the_delay_grows_and_the_last_failure_fails_the_run() -> None:
    play = Play(Flow)
    play.fail("fickle")
    play.fire("fickle", "retry")
    play.fail("fickle", attempt=2)
    assert play.effects(SetTimer)[0].due_at - play.now == timedelta(seconds=20)
    play.fire("fickle", "retry")
    play.fail("fickle", attempt=3)
    assert (play.status, play.state.ended_at) == ("failed", "fickle")
    assert play.told() == [("step_failed", "fickle"), ("failed", "fickle")]
    assert play.state.error is not None
    assert play.state.error.type == "ConnectionError"


def test_a_step_without_a_policy_obeys_the_workflows() -> None:
    play = Play(Flow)
    play.emit("fickle")
    play.fail("work")
    play.fire("work", "retry")
    play.fail("work", attempt=2)
    assert play.status == "failed"


@pytest.mark.parity(10)
def test_a_permanent_failure_is_not_retried() -> None:
    play = Play(Flow)
    play.fail("fickle", permanent=True)
    assert (play.status, play.state.nodes["fickle"].attempt) == ("failed", 1)


def test_a_success_after_a_failure_leaves_no_error_behind() -> None:
    play = Play(Flow)
    play.fail("fickle")
    play.fire("fickle", "retry")
    play.emit("fickle", attempt=2)
    assert play.state.nodes["fickle"].error is None
    assert play.state.nodes["fickle"].attempt == 2


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_outcome_of_another_attempt_is_told_and_ignored(attempt: int) -> None:
    play = Play(Flow)
    play.fail("fickle")
    play.fire("fickle", "retry")
    nodes = play.state.nodes
    for outcome in (play.emit, play.fail, play.suspend):
        outcome("fickle", attempt=attempt)
        assert play.told() == [("outcome_ignored", "fickle")]
        assert play.decision.effects == ()
    assert play.state.nodes == nodes


def test_an_outcome_after_the_end_changes_nothing() -> None:
    play = Play(Flow)
    play.cancel()
    before = play.state
    play.now += timedelta(hours=1)
    play.emit("fickle")
    assert play.state is before
    assert play.decision.history == ()


def test_a_timer_of_something_that_is_over_does_nothing() -> None:
    play = Play(Flow)
    play.fail("fickle")
    due_at = play.state.nodes["fickle"].due_at
    assert due_at is not None
    play.fire("fickle", "retry")
    before = play.state
    for stale in (
        TimerFired("fickle", 1, "retry", due_at),
        TimerFired("fickle", 2, "wait", due_at),
        TimerFired("work", 1, "retry", due_at),
    ):
        play.tell(stale)
        assert play.state is before


def test_a_timer_of_another_due_time_does_nothing() -> None:
    play = Play(Flow)
    play.fail("fickle")
    before = play.state
    play.tell(TimerFired("fickle", 1, "retry", BEGIN))
    assert play.state is before


def test_a_new_owner_starts_running_steps_again_as_the_same_attempt() -> None:
    play = Play(Flow)
    play.recover(worker_lost=False)
    assert play.told() == [("step_restarted", "fickle")]
    assert play.effects(RunStep) == [RunStep("fickle", 1)]
    assert play.state.nodes["fickle"].restarts == 0


@pytest.mark.parity(10)
def test_a_step_that_awaits_its_retry_is_not_started_by_a_new_owner() -> None:
    play = Play(Flow)
    play.fail("fickle")
    before = play.state
    play.recover(worker_lost=True)
    assert play.state is before


def lose_worker(play: Play, *, after: timedelta = timedelta(seconds=1), alone: str | None = None) -> None:
    """The worker is lost so long after it took the run up, and another one takes it over."""
    last_seen = play.now + after
    play.now = last_seen + timedelta(minutes=5)  # whatever time the next worker takes to come
    play.tell(Recovered(worker_lost=True, last_seen=last_seen, alone=alone))


def become_suspect(play: Play) -> None:
    """Workers are lost promptly, until the step is held."""
    for _ in range(MAX_PROMPT_LOSSES - 1):
        lose_worker(play)
        assert play.told() == [("step_restarted", "fickle")]
    lose_worker(play)
    assert play.told() == [("step_held", "fickle")]
    assert play.effects(RunStep) == []


def take_turn(play: Play) -> None:
    play.tell(Recovered(worker_lost=True, turn=("fickle",)))
    assert play.told() == [("step_restarted", "fickle")]
    assert len(play.effects(RunStep)) == 1


def test_an_attempt_that_loses_worker_after_worker_is_tried_once_more_and_then_its_node_fails() -> None:
    play = Play(Flow)
    become_suspect(play)
    take_turn(play)
    lose_worker(play, alone="fickle")
    error = play.state.nodes["fickle"].error
    assert error is not None
    assert (error.type, play.statuses["fickle"]) == ("WorkerLost", "retrying")

    play.fire("fickle", "retry")
    become_suspect(play)
    take_turn(play)
    lose_worker(play, alone="fickle")

    # The policy has an attempt left.
    assert play.state.nodes["fickle"].attempt == 2
    assert play.told() == [("step_failed", "fickle"), ("failed", "fickle")]


def test_an_attempt_is_held_and_not_blamed_as_long_as_another_one_may_be_to_blame() -> None:
    play = Play(Flow)
    become_suspect(play)
    for _ in range(3):
        take_turn(play)
        lose_worker(play, alone=None)
        assert play.told() == [("step_held", "fickle")]


def test_the_node_of_an_attempt_that_lost_many_workers_does_not_fail_for_good_unless_it_was_alone() -> None:
    play = Play(Flow)
    for _ in range(2):
        while play.statuses["fickle"] == "running":
            lose_worker(play)
            if play.state.nodes["fickle"].held:
                take_turn(play)
        assert play.statuses["fickle"] == "retrying"
        play.fire("fickle", "retry")


def test_what_was_held_when_a_worker_was_lost_has_lost_nothing_and_is_held_again() -> None:
    play = Play(Flow)
    become_suspect(play)
    before = play.state
    for worker_lost in (True, False):
        play.tell(Recovered(worker_lost=worker_lost, last_seen=play.now))
        assert play.state is before


def test_what_has_outlived_its_turn_is_not_held_any_more() -> None:
    play = Play(Flow)
    become_suspect(play)
    take_turn(play)
    play.now += PROMPT_LOSS
    play.tell(Recovered(worker_lost=False, last_seen=play.now))
    assert play.told() == [("step_restarted", "fickle")]
    assert play.state.nodes["fickle"].prompt_losses == 0


def test_what_changes_its_owner_within_its_turn_has_another_one() -> None:
    play = Play(Flow)
    become_suspect(play)
    take_turn(play)
    play.tell(Recovered(worker_lost=False, last_seen=play.now))
    assert play.told() == [("step_held", "fickle")]


def test_an_attempt_that_ran_on_each_lost_worker_for_a_while_is_not_to_blame() -> None:
    play = Play(Flow)
    for _ in range(MAX_RESTARTS):
        lose_worker(play, after=PROMPT_LOSS, alone="fickle")
        assert play.told() == [("step_restarted", "fickle")]
    lose_worker(play, after=PROMPT_LOSS)
    assert play.statuses["fickle"] == "retrying"


def test_losses_with_a_long_life_between_them_are_not_in_a_row() -> None:
    play = Play(Flow)
    for _ in range(3):
        become_suspect(play)
        take_turn(play)
        lose_worker(play, after=PROMPT_LOSS, alone="fickle")
        assert play.told() == [("step_restarted", "fickle")]


def test_time_never_runs_backwards_within_a_run() -> None:
    play = Play(Flow)
    play.now += timedelta(hours=1)
    play.fail("fickle")
    play.now = BEGIN - timedelta(days=1)
    play.resume("fickle", "done")
    times = [told.at for told in play.history]
    assert times == sorted(times)
    assert play.state.updated_at == BEGIN + timedelta(hours=1)


@pytest.mark.parity(18)
def test_the_sequence_has_no_gaps_and_begins_anew_with_each_run() -> None:
    for _ in range(2):
        play = Play(Flow)
        play.resume("nobody", "done")
        play.fail("fickle")
        play.fire("fickle", "retry")
        play.emit("fickle", attempt=2)
        play.emit("work", attempt=7)
        play.emit("work")
        assert [told.sequence for told in play.history] == list(range(1, len(play.history) + 1))
        assert play.state.sequence == len(play.history)


def test_a_result_that_does_not_fit_into_the_record_fails_the_node_without_retry() -> None:
    play = Play(Flow, payload=b"x" * 100)
    play.emit("fickle", payload=b"x" * (MAX_PAYLOAD_BYTES - 99))
    assert (play.status, play.state.ended_at) == ("failed", "fickle")
    assert play.state.error is not None
    assert play.state.error.type == "ResultTooLarge"


def test_a_result_that_just_fits_is_kept() -> None:
    play = Play(Flow, payload=b"x" * 100)
    play.emit("fickle", payload=b"x" * (MAX_PAYLOAD_BYTES - 100))
    assert play.active == {"work"}
    assert play.state.payload_bytes == MAX_PAYLOAD_BYTES


def test_a_failure_of_a_node_that_its_version_has_no_longer_fails_the_run() -> None:
    play = Play(Flow)
    definition = replace(play.definition, nodes={"work": play.definition.nodes["work"]})
    failed = StepFailed("fickle", 1, DOWN, permanent=True)

    assert apply(definition, play.state, failed, now=BEGIN).state.status == "failed"


def test_the_record_keeps_the_beginning_of_a_message_and_the_history_the_traceback() -> None:
    play = Play(Flow)
    play.tell(StepFailed("fickle", 1, Error("OSError", "x" * 900, "the traceback")))
    kept = play.state.nodes["fickle"].error
    assert kept is not None
    assert (len(kept.message), kept.traceback) == (301, "")
    assert play.decision.history[0].details["traceback"] == "the traceback"
    assert play.decision.history[0].details["message"] == "x" * 900


def test_a_full_record_has_room_for_the_errors_of_two_hundred_nodes_and_can_be_cancelled() -> None:
    play = Play(wide_flow(200), payload=b"x" * MAX_PAYLOAD_BYTES)
    play.emit("first")
    for number in range(200):
        # Characters of four bytes each: the worst there is.
        play.tell(StepFailed(f"n{number}", 1, Error("E" * 100, "\U0001f525" * 1_000, "t" * 4_000)))
    failing = len(msgspec.msgpack.encode(play.state))
    play.cancel("r" * 1_000)
    assert play.status == "cancelled"
    assert max(failing, len(msgspec.msgpack.encode(play.state))) < 900_000


@pytest.mark.parity(17)
def test_a_cancelled_run_stops_what_runs_and_says_who_wished_it() -> None:
    play = Play(Flow)
    play.cancel("customer asked")
    assert (play.status, play.state.ended_at) == ("cancelled", None)
    assert play.told() == [("interrupted", "fickle"), ("cancelled", None)]
    assert play.decision.history[-1].details == {"command": "command-9", "reason": "customer asked"}
    assert play.state.finished_at == BEGIN


def test_a_halted_run_tells_it_once_and_can_be_cancelled() -> None:
    play = Play(Flow)
    halted = halt(Flow.definition, play.state, reason="a bug", now=BEGIN)
    assert [told.type for told in halted.history] == ["halted"]
    assert halted.state.halted == "a bug"
    again = halt(Flow.definition, halted.state, reason="another", now=BEGIN)
    assert again.state is halted.state


@pytest.mark.parametrize(
    "what", [StepEmitted("fickle", 1, Reported("done")), Recovered(worker_lost=True)], ids=["an outcome", "a takeover"]
)
def test_a_halted_run_takes_nothing_in(what: Input) -> None:
    play = Play(Flow)
    halted = halt(Flow.definition, play.state, reason="a bug", now=BEGIN).state
    decision = apply(Flow.definition, halted, what, now=BEGIN)
    assert decision.state is halted
    assert decision.effects == ()


def test_a_halted_run_drops_its_timers_and_refuses_events_but_can_be_cancelled() -> None:
    play = Play(Flow)
    halted = halt(Flow.definition, play.state, reason="a bug", now=BEGIN).state
    timer = TimerFired("fickle", 1, "retry", BEGIN)
    assert apply(Flow.definition, halted, timer, now=BEGIN).effects == (ClearTimer("fickle", 1, "retry", BEGIN),)
    answer = apply(Flow.definition, halted, Resume("c", "fickle", Reported("done")), now=BEGIN).answer
    assert isinstance(answer, Refused)
    assert answer.reason == "engine_error"
    assert apply(Flow.definition, halted, Cancel("c"), now=BEGIN).state.status == "cancelled"
