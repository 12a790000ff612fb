"""What outsiders decide about a run: it goes on after a failure, pauses, leaves a step out, or ends at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from hephaestus_stream import Done, Failed, RetryPolicy, Workflow
from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.decision import Choose, ClearTimer, PublishCompletion, RunStep, SetTimer, StopStep
from hephaestus_stream.core.engine import apply, halt
from hephaestus_stream.core.input import (
    Cancel,
    Continue,
    Input,
    Migrate,
    Pause,
    Retry,
    Skip,
    StepEmitted,
    StepSuspended,
    TimerFired,
)
from hephaestus_stream.core.limits import MAX_PAYLOAD_BYTES
from hephaestus_stream.core.state import Interrupted, Reported
from tests.core.flows import Ask, Check, Work, by_size
from tests.core.play import BEGIN, Play

HOUR = timedelta(hours=1)
RETRY = Retry("command-5", "the bank is back", "ada")


class Fickle(Work):
    retry = RetryPolicy(max_attempts=2, initial_delay=HOUR, max_delay=2 * HOUR, jitter=0)


class Flow(Workflow[None], key="order"):
    """A step that leads to three branches: one may fail, one waits, one runs."""

    first = Work()
    fails = Fickle()
    waits = Ask()
    runs = Fickle()
    end = Done()
    lost = Failed("nobody answered")
    start = first
    transitions = (
        first.done.to(fails, waits, runs),
        fails.done.to(end),
        runs.done.to(end),
        waits.answered.to(end),
        waits.withdrawn.to(end),
        waits.gave_up.to(lost),
    )


class Routed(Workflow[None], key="order"):
    check = Check()
    end = Done()
    start = check
    transitions = (
        check.passed.route(by_size).to({"large": end, "small": end}),
        check.failed.to(end),
    )


def fanned_out() -> Play:
    play = Play(Flow)
    play.emit("first")
    return play


def failed(play: Play | None = None, *, node: str = "fails", attempt: int = 1) -> Play:
    play = play or fanned_out()
    play.fail(node, attempt=attempt, permanent=True)
    assert play.status == "failed"
    return play


def refusal(play: Play, what: Input) -> Refused:
    before = play.state
    answer = play.tell(what).answer
    assert isinstance(answer, Refused)
    assert play.state == before
    assert play.decision.effects == ()
    return answer


def skip(node: str, event: str, payload: bytes | None = None, problem: str | None = None) -> Skip:
    return Skip("command-6", "by phone", "ada", node=node, reported=Reported(event, payload), problem=problem)


def test_a_retried_run_goes_on_from_the_node_that_failed() -> None:
    play = fanned_out()
    play.suspend("waits", timeout=3 * HOUR)
    failed(play)
    play.tell(RETRY)
    assert play.decision.answer == Accepted("applied", "from fails")
    assert play.statuses == {"first": "completed", "fails": "running", "waits": "waiting", "runs": "running"}
    assert (play.status, play.state.ended_at, play.state.finished_at, play.state.error) == ("running", None, None, None)
    assert {(step.node, step.attempt) for step in play.effects(RunStep)} == {("fails", 2), ("runs", 2)}
    assert play.told()[0] == ("retried", "fails")
    retried = play.decision.history[0]
    assert retried.details == {"command": "command-5", "by": "ada", "reason": "the bank is back"}


def test_a_retried_step_has_its_whole_policy_before_it() -> None:
    play = failed()
    play.tell(RETRY)
    play.fail("fails", attempt=2)
    assert play.state.nodes["fails"].due_at == play.now + HOUR
    play.fire("fails", "retry")
    play.fail("fails", attempt=3)
    assert play.status == "failed"


def test_a_step_that_was_interrupted_has_lost_no_attempt_by_it() -> None:
    play = failed()
    play.tell(RETRY)
    play.fail("runs", attempt=2)
    assert play.state.nodes["runs"].status == "retrying"


def test_a_timeout_goes_on_with_the_time_that_was_left() -> None:
    play = fanned_out()
    play.suspend("waits", timeout=3 * HOUR)
    play.now += HOUR
    failed(play)
    play.now += 10 * HOUR
    play.tell(RETRY)
    assert [(timer.node, timer.due_at) for timer in play.effects(SetTimer)] == [("waits", play.now + 2 * HOUR)]


def test_a_wait_until_a_moment_keeps_it() -> None:
    play = fanned_out()
    play.suspend("waits", until=BEGIN + 3 * HOUR)
    failed(play)
    play.now += 10 * HOUR
    play.tell(RETRY)
    assert [timer.due_at for timer in play.effects(SetTimer)] == [BEGIN + 3 * HOUR]
    play.fire("waits", "wait")
    assert play.state.nodes["waits"].status == "retrying"


def test_a_retry_that_was_due_meanwhile_is_due_at_once() -> None:
    play = fanned_out()
    play.fail("runs")
    failed(play)
    play.now += 10 * HOUR
    play.tell(RETRY)
    assert [(timer.node, timer.kind, timer.due_at) for timer in play.effects(SetTimer)] == [
        ("runs", "retry", BEGIN + HOUR)
    ]


def test_an_event_that_came_early_outlives_a_failure_that_may_be_retried() -> None:
    play = fanned_out()
    play.resume("waits", "answered", payload=b"{}")
    failed(play)
    assert [early.node for early in play.state.early] == ["waits"]
    play.tell(RETRY)
    play.suspend("waits", attempt=2)
    assert play.state.nodes["waits"].status == "completed"
    assert play.state.early == ()


def test_a_route_that_failed_is_asked_again_and_its_step_is_not_executed_again() -> None:
    play = Play(Routed)
    play.emit("check", "passed", payload=b"1")
    play.fail_choice("check")
    play.now += HOUR
    play.tell(RETRY)
    assert play.effects(Choose) == [Choose("check", "passed")]
    assert not play.effects(RunStep)
    play.choose("check", "large")
    assert play.status == "completed"
    assert play.state.nodes["check"].settled_at == play.now


def test_a_run_of_an_older_release_takes_up_what_it_can() -> None:
    play = fanned_out()
    play.suspend("waits", timeout=HOUR, otherwise=Reported("gave_up", b"12345"))
    failed(play)
    nodes = {name: replace(node, was=None) for name, node in play.state.nodes.items()}
    play.state = replace(play.state, nodes=nodes)
    play.tell(RETRY)
    assert {(step.node, step.attempt) for step in play.effects(RunStep)} == {("fails", 2), ("runs", 2), ("waits", 2)}
    size = play.state.payload_bytes
    play.suspend("waits", timeout=HOUR, otherwise=Reported("gave_up", b"123"), attempt=2)
    assert play.state.payload_bytes == size - 2


def test_what_did_not_fail_at_a_step_cannot_be_retried() -> None:
    play = fanned_out()
    assert refusal(play, RETRY).reason == "not_retryable"
    play.suspend("waits", timeout=HOUR, otherwise=Reported("gave_up"))
    play.emit("runs")
    play.emit("fails")
    play.fire("waits", "wait")
    assert play.status == "failed"
    told = refusal(play, RETRY)
    assert (told.reason, "lost" in told.message) == ("not_retryable", True)
    cancelled = fanned_out()
    cancelled.cancel()
    assert refusal(cancelled, RETRY).reason == "not_retryable"


def test_each_life_of_a_run_has_its_completion() -> None:
    play = failed()
    assert play.effects(PublishCompletion)
    play.tell(RETRY)
    assert not play.effects(PublishCompletion)
    play.cancel()
    assert [effect.sequence for effect in play.effects(PublishCompletion)] == [play.state.sequence]


def halted(play: Play) -> Play:
    play.state = halt(play.definition, play.state, reason="a bug", now=play.now).state
    return play


def test_a_halted_run_begins_its_attempts_anew_and_sets_its_timers_again() -> None:
    play = fanned_out()
    play.suspend("waits", timeout=HOUR)
    halted(play)
    play.tell(TimerFired("waits", 1, "wait", BEGIN + HOUR))
    play.tell(StepEmitted("runs", 1, Reported("done")))
    assert play.state.nodes["runs"].status == "running"
    play.tell(RETRY)
    assert play.state.halted is None
    assert {(stop.node, stop.attempt) for stop in play.effects(StopStep)} == {("fails", 1), ("runs", 1)}
    assert {(step.node, step.attempt) for step in play.effects(RunStep)} == {("fails", 2), ("runs", 2)}
    assert [(timer.node, timer.due_at) for timer in play.effects(SetTimer)] == [("waits", BEGIN + HOUR)]


def test_a_halted_run_takes_nothing_but_its_retry_and_its_end() -> None:
    play = halted(fanned_out())
    for what in (Pause("c"), Continue("c"), skip("runs", "done"), Migrate("c")):
        told = refusal(play, what)
        assert (told.reason, "retried" in told.message) == ("engine_error", True)
    play.tell(Cancel("c", at_once=True))
    assert play.status == "cancelled"


def test_a_halted_run_that_was_cancelled_cannot_be_retried() -> None:
    play = halted(fanned_out())
    play.cancel()
    assert play.state.halted is None
    assert refusal(play, RETRY).reason == "not_retryable"
    # As a record of a former release has it.
    play.state = replace(play.state, halted="a bug")
    assert refusal(play, RETRY).reason == "not_retryable"
    ended = play.state
    assert halted(play).state == ended


def test_a_paused_run_begins_no_attempt_and_sets_no_timer() -> None:
    play = Play(Flow)
    play.tell(Pause("command-5", "night", "ada"))
    assert (play.state.paused, play.status) == (True, "running")
    assert play.decision.history[0].details == {"command": "command-5", "by": "ada", "reason": "night"}
    play.emit("first")
    assert play.statuses == {"first": "completed", "fails": "ready", "waits": "ready", "runs": "ready"}
    assert not play.effects(RunStep)
    assert play.status == "running"
    play.tell(Continue("command-6"))
    assert {(step.node, step.attempt) for step in play.effects(RunStep)} == {("fails", 1), ("waits", 1), ("runs", 1)}
    assert not play.state.paused
    assert play.state.steered


def test_what_runs_when_a_run_is_paused_may_wait_and_fail_and_its_timers_are_set_when_it_continues() -> None:
    play = fanned_out()
    play.suspend("waits", timeout=HOUR)
    play.tell(Pause("c"))
    assert [(timer.node, timer.due_at) for timer in play.effects(ClearTimer)] == [("waits", BEGIN + HOUR)]
    play.fail("fails")
    assert not play.effects(SetTimer)
    play.now += 5 * HOUR
    play.tell(Continue("c"))
    assert {(timer.node, timer.kind, timer.due_at) for timer in play.effects(SetTimer)} == {
        ("waits", "wait", BEGIN + HOUR),
        ("fails", "retry", BEGIN + HOUR),
    }


def test_a_timer_that_was_on_its_way_when_its_run_was_paused_fires_when_it_continues() -> None:
    play = fanned_out()
    play.suspend("waits", timeout=HOUR, otherwise=Reported("gave_up"))
    play.tell(Pause("c"))
    play.tell(TimerFired("waits", 1, "wait", BEGIN + HOUR))
    assert play.statuses["waits"] == "waiting"
    play.tell(Continue("c"))
    assert [timer.node for timer in play.effects(SetTimer)] == ["waits"]


def test_events_are_taken_while_a_run_is_paused() -> None:
    play = fanned_out()
    play.suspend("waits")
    play.tell(Pause("c"))
    assert play.resume("waits", "withdrawn").answer == Accepted("applied")
    assert play.statuses["waits"] == "completed"


def test_pausing_twice_and_continuing_what_is_not_paused_change_nothing() -> None:
    play = fanned_out()
    assert play.tell(Continue("c")).answer == Accepted("existing")
    play.tell(Pause("c"))
    assert play.tell(Pause("d")).answer == Accepted("existing")
    assert [told.type for told in play.history].count("paused") == 1


def test_a_run_that_has_ended_is_neither_paused_nor_continued_and_its_end_ends_a_pause() -> None:
    play = fanned_out()
    play.tell(Pause("c"))
    failed(play)
    assert not play.state.paused
    for what in (Pause("c"), Continue("c"), Cancel("c")):
        assert refusal(play, what).reason == "ended"


@pytest.mark.parametrize("paused", [False, True])
def test_a_node_is_skipped_whatever_it_is_doing(paused: bool) -> None:  # noqa: FBT001 - a parameter
    play = fanned_out()
    play.suspend("waits", timeout=HOUR)
    play.fail("fails")
    if paused:
        play.tell(Pause("c"))
    play.tell(skip("fails", "done"))
    assert play.told()[:2] == [("skipped", "fails"), ("step_completed", "fails")]
    assert [timer.kind for timer in play.effects(ClearTimer)] == ([] if paused else ["retry"])
    assert not play.effects(StopStep)
    play.tell(skip("runs", "done", b"1"))
    assert play.effects(StopStep) == [StopStep("runs", 1)]
    assert play.state.nodes["runs"].reported == Reported("done", b"1")
    assert play.decision.history[0].details == {"command": "command-6", "by": "ada", "reason": "by phone"}
    play.tell(skip("waits", "answered", b"{}"))
    assert [timer.kind for timer in play.effects(ClearTimer)] == ([] if paused else ["wait"])
    assert play.status == "completed"


def test_a_node_that_waits_for_the_run_to_continue_can_be_skipped_before_its_first_attempt() -> None:
    play = Play(Flow)
    play.tell(Pause("c"))
    play.emit("first")
    play.tell(skip("fails", "done"))
    assert play.statuses["fails"] == "completed"
    assert [told.attempt for told in play.decision.history] == [None, None]


def test_the_node_that_failed_a_run_is_skipped_and_the_run_goes_on() -> None:
    play = fanned_out()
    play.suspend("waits")
    failed(play)
    play.tell(skip("fails", "done"))
    assert play.statuses == {"first": "completed", "fails": "completed", "waits": "waiting", "runs": "running"}
    assert play.told()[0] == ("retried", "fails")
    assert ("skipped", "fails") in play.told()
    assert refusal(failed(), skip("runs", "done")).reason == "ended"


def test_a_skip_in_place_of_a_route_that_failed_gives_up_what_the_step_had_said() -> None:
    play = Play(Routed)
    large = b"1" * (MAX_PAYLOAD_BYTES - 100)
    play.emit("check", "passed", payload=large)
    play.fail_choice("check")
    play.tell(skip("check", "failed", large))
    assert play.status == "completed"
    assert play.state.payload_bytes == len(large) + len(b"null")


def test_what_cannot_be_skipped_is_refused_with_its_reason() -> None:
    play = Play(Flow)
    assert refusal(play, skip("nobody", "done")).reason == "unknown_node"
    assert refusal(play, skip("end", "done")).reason == "unknown_event"
    assert refusal(play, skip("first", "answered")).reason == "unknown_event"
    assert refusal(play, skip("waits", "answered")).reason == "not_reached"
    assert refusal(play, skip("first", "done", problem="no number")).reason == "invalid_payload"
    assert refusal(play, skip("first", "done", b"1" * (MAX_PAYLOAD_BYTES + 1))).reason == "too_large"
    play.emit("first")
    assert refusal(play, skip("first", "done")).reason == "settled"
    play.cancel()
    assert refusal(play, skip("runs", "done")).reason == "ended"


def test_a_terminated_run_gives_its_steps_no_time() -> None:
    play = fanned_out()
    play.tell(Cancel("command-9", "too late", "ada", at_once=True))
    assert play.status == "cancelled"
    assert {(stop.node, stop.at_once) for stop in play.effects(StopStep)} == {
        ("fails", True),
        ("waits", True),
        ("runs", True),
    }
    assert play.history[-1].details == {
        "command": "command-9",
        "by": "ada",
        "reason": "too late",
        "terminated": True,
    }


def test_a_migrated_step_of_a_paused_run_begins_when_it_continues() -> None:
    class Later(Workflow[None], key="order", name="Flow", version=2):
        first = Work()
        fails = Fickle()
        waits = Ask()
        runs = Fickle()
        end = Done()
        lost = Failed("nobody answered")
        start = first
        transitions = (
            first.done.to(fails, waits, runs),
            fails.done.to(end),
            runs.done.to(end),
            waits.answered.to(end),
            waits.withdrawn.to(end),
            waits.gave_up.to(lost),
        )

    play = fanned_out()
    play.tell(Pause("c"))
    play.definition = Later.definition
    play.tell(Migrate("c"))
    assert {node.status for node in play.state.nodes.values()} == {"completed", "ready"}
    play.tell(Continue("c"))
    assert {(step.node, step.attempt) for step in play.effects(RunStep)} == {("fails", 2), ("waits", 2), ("runs", 2)}


def test_a_parked_run_can_be_paused() -> None:
    play = fanned_out()
    play.tell(StepSuspended("waits", 1, HOUR))
    decision = apply(None, play.state, Pause("c"), now=play.now)
    assert decision.answer == Accepted("applied")
    assert [effect for effect in decision.effects if isinstance(effect, ClearTimer)]


def test_what_a_failure_interrupted_says_what_it_was() -> None:
    play = fanned_out()
    play.suspend("waits", timeout=HOUR)
    failed(play)
    assert play.state.nodes["waits"].was == Interrupted("waiting", BEGIN + HOUR)
    cancelled = fanned_out()
    cancelled.cancel()
    assert all(node.was is None for node in cancelled.state.nodes.values())
