"""Waiting, external events, early ones, refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hephaestus_stream import Done, Failed, Wait, Workflow
from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.decision import ClearTimer, SetTimer
from hephaestus_stream.core.limits import MAX_EARLY_EVENTS, MAX_PAYLOAD_BYTES, MAX_REFUSALS
from hephaestus_stream.core.state import Reported
from tests.core.flows import Ask, Check, Work
from tests.core.play import BEGIN, Play

DAY = timedelta(days=1)


class Flow(Workflow[None], key="order"):
    """Asks two people at once, and a third where the check has passed."""

    check = Check()
    one = Ask()
    other = Ask()
    join = Work()
    never = Ask()
    end = Done()
    start = check
    transitions = (
        check.passed.to(one, other),
        check.failed.to(never),
        one.answered.to(join),
        one.withdrawn.to(join),
        one.gave_up.to(join),
        other.answered.to(join),
        other.withdrawn.to(join),
        other.gave_up.to(join),
        never.answered.to(end),
        never.withdrawn.to(end),
        never.gave_up.to(end),
        join.done.to(end),
    )


def asking() -> Play:
    """Both have been started, neither waits yet."""
    play = Play(Flow)
    play.emit("check", "passed")
    return play


def refusal(play: Play) -> Refused:
    answer = play.decision.answer
    assert isinstance(answer, Refused)
    return answer


@pytest.mark.parity(13)
def test_two_nodes_wait_at_once_and_the_right_one_is_resumed() -> None:
    play = asking()
    play.suspend("one")
    assert play.status == "running"
    play.suspend("other")
    assert play.status == "waiting"
    play.resume("other", "answered", payload=b'{"percent":5}')
    assert play.decision.answer == Accepted("applied")
    assert play.told() == [("resumed", "other"), ("step_completed", "other")]
    assert play.statuses["one"] == "waiting"
    assert play.state.nodes["other"].reported == Reported("answered", b'{"percent":5}')


@pytest.mark.parity(13)
def test_a_wait_does_not_hold_up_its_siblings() -> None:
    play = asking()
    play.suspend("one")
    play.emit("other", "gave_up")
    assert play.active == {"one"}


@pytest.mark.parity(7)
def test_a_timeout_with_an_outcome_goes_on_with_it() -> None:
    play = asking()
    play.suspend("one", timeout=DAY, otherwise=Reported("gave_up", b"1"))
    assert play.effects(SetTimer) == [SetTimer("one", 1, "wait", BEGIN + DAY)]
    play.fire("one", "wait")
    assert play.told() == [("timer_fired", "one"), ("step_completed", "one")]
    assert play.state.nodes["one"].reported == Reported("gave_up", b"1")


def test_a_timeout_without_an_outcome_is_a_failed_attempt() -> None:
    play = asking()
    play.suspend("one", timeout=DAY)
    play.fire("one", "wait")
    assert ("step_failed", "one") in play.told()
    error = play.state.nodes["one"].error
    assert error is not None
    assert error.type == "WaitTimeout"
    assert play.statuses["one"] == "retrying"


@pytest.mark.parity(12)
def test_an_event_in_time_clears_the_timer() -> None:
    play = asking()
    play.suspend("one", timeout=DAY, otherwise=Reported("gave_up"))
    play.resume("one", "answered")
    assert play.effects(ClearTimer) == [ClearTimer("one", 1, "wait", BEGIN + DAY)]
    assert play.state.nodes["one"].otherwise is None


def test_a_wait_until_an_instant_is_kept_in_utc() -> None:
    play = asking()
    play.suspend("one", until=datetime(2026, 2, 1, 12, tzinfo=timezone(timedelta(hours=2))))
    assert play.effects(SetTimer)[0].due_at.isoformat() == "2026-02-01T10:00:00+00:00"


@pytest.mark.parametrize(
    "until",
    [
        datetime(1969, 1, 1, tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
    ],
)
def test_a_wait_until_the_past_is_due_at_once(until: datetime) -> None:
    play = asking()
    play.suspend("one", until=until)
    assert play.effects(SetTimer)[0].due_at == BEGIN


@pytest.mark.parametrize(
    ("timeout", "until"),
    [(timedelta.max, None), (None, datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))))],
)
def test_for_ever_is_the_end_of_time(timeout: timedelta | None, until: datetime | None) -> None:
    play = asking()
    play.suspend("one", timeout=timeout, until=until)
    assert play.effects(SetTimer)[0].due_at == datetime.max.replace(tzinfo=UTC)


def test_what_a_timeout_would_say_counts_among_the_payloads_until_something_else_is_said() -> None:
    play = asking()
    before = play.state.payload_bytes
    play.suspend("one", timeout=DAY, otherwise=Reported("gave_up", b"x" * 100))
    assert play.state.payload_bytes == before + 100
    play.resume("one", "answered", payload=b"x" * (MAX_PAYLOAD_BYTES - before))
    assert play.decision.answer == Accepted("applied")
    assert play.state.payload_bytes == MAX_PAYLOAD_BYTES


@pytest.mark.parity(12)
def test_an_early_event_is_kept_and_taken_when_its_node_waits() -> None:
    play = asking()
    play.resume("one", "answered", payload=b"1", command="early")
    assert play.decision.answer == Accepted("kept")
    assert play.told() == [("event_kept", "one")]
    play.suspend("one", timeout=DAY, otherwise=Reported("gave_up"))
    assert play.told() == [("suspended", "one"), ("resumed", "one"), ("step_completed", "one")]
    assert play.effects(SetTimer) == []
    assert play.state.nodes["one"].reported == Reported("answered", b"1")
    assert play.state.early == ()


def test_the_first_early_event_of_a_node_is_taken_and_its_others_are_dropped() -> None:
    play = Play(Flow)
    play.resume("other", "answered", payload=b"other", command="0")
    play.resume("one", "withdrawn", payload=b"1", command="1")
    play.resume("one", "answered", payload=b"2", command="2")
    play.emit("check", "passed")
    play.suspend("one")
    assert play.state.nodes["one"].reported == Reported("withdrawn", b"1")
    [dropped] = [told for told in play.decision.history if told.type == "event_dropped"]
    assert (dropped.node, dropped.details) == ("one", {"command": "2"})
    assert [early.command for early in play.state.early] == ["0"]
    assert play.state.payload_bytes == len(b"null") + len(b"other") + len(b"1")


def test_an_early_event_is_dropped_when_its_node_dies() -> None:
    play = Play(Flow)
    play.resume("never", "answered", payload=b"1")
    play.emit("check", "passed")
    assert ("event_dropped", "never") in play.told()
    assert play.state.early == ()
    assert play.state.payload_bytes == len(b"null")


def test_early_events_are_dropped_when_the_run_ends() -> None:
    play = Play(Flow)
    play.resume("one", "answered")
    play.cancel()
    assert play.told() == [("interrupted", "check"), ("event_dropped", "one"), ("cancelled", None)]


def test_early_events_are_bounded() -> None:
    play = Play(Flow)
    for number in range(MAX_EARLY_EVENTS):
        play.resume("one", "answered", command=str(number))
        assert play.decision.answer == Accepted("kept")
    play.resume("one", "answered")
    assert refusal(play).reason == "early_events_full"
    assert len(play.state.early) == MAX_EARLY_EVENTS


def test_the_events_of_an_ended_run_are_refused_before_anything_else_is_looked_at() -> None:
    play = Play(Flow)
    play.cancel()
    before = play.state
    play.now += DAY
    play.resume("nobody", "nothing")
    assert refusal(play).reason == "ended"
    assert play.state is before
    play.cancel()
    assert refusal(play).reason == "ended"


def test_an_unknown_node_is_refused_before_its_event() -> None:
    play = Play(Flow)
    play.resume("oen", "nothing")
    assert refusal(play) == Refused("unknown_node", "order::1 has no node 'oen'; did you mean 'one'?")
    assert play.told() == [("event_refused", "oen")]


def test_an_unknown_event_is_refused_before_it_is_seen_that_the_node_is_settled() -> None:
    play = asking()
    play.resume("check", "nothing")
    assert refusal(play).reason == "unknown_event"
    play.resume("never", "answerd")
    assert refusal(play) == Refused(
        "unknown_event", "never of order::1 has no event 'answerd'; did you mean 'answered'?"
    )


def test_an_ending_takes_no_event() -> None:
    play = Play(Flow)
    play.resume("end", "done")
    assert refusal(play).reason == "unknown_event"


@pytest.mark.parity(13)
def test_an_event_for_a_settled_node_is_refused() -> None:
    play = asking()
    play.resume("never", "answered")
    assert refusal(play) == Refused("settled", "never of order::1 is dead; it takes no more events")
    play.suspend("one")
    play.resume("one", "answered")
    play.resume("one", "answered")
    assert refusal(play).reason == "settled"


@pytest.mark.parity(13)
@pytest.mark.parametrize(("node", "event"), [("check", "passed"), ("one", "gave_up"), (None, "gave_up")])
def test_a_steps_own_event_cannot_be_sent_from_outside(node: str | None, event: str) -> None:
    play = Play(Flow)
    play.resume(node, event)
    assert refusal(play).reason == "not_external"
    assert play.active == {"check"}


@pytest.mark.parity(12)
def test_a_payload_that_its_model_refuses_is_refused() -> None:
    play = Play(Flow)
    play.resume("one", "answered", problem="percent: field required")
    assert refusal(play) == Refused("invalid_payload", "one.answered: percent: field required")


def test_a_payload_that_has_no_room_is_refused() -> None:
    play = Play(Flow)
    play.resume("one", "answered", payload=b"x" * MAX_PAYLOAD_BYTES)
    assert refusal(play).reason == "too_large"
    assert f"room for {MAX_PAYLOAD_BYTES - 4}" in refusal(play).message


def test_the_node_may_be_left_out_where_one_node_has_the_event() -> None:
    class Single(Workflow[None], key="order"):
        ask = Ask()
        end = Done()
        gone = Failed("gone")
        start = ask
        transitions = (ask.answered.to(end), ask.withdrawn.to(gone), ask.gave_up.to(end))

    play = Play(Single)
    play.suspend("ask")
    play.resume(None, "withdrawn")
    assert play.state.ended_at == "gone"


def test_an_event_of_several_nodes_is_ambiguous_without_a_node() -> None:
    play = Play(Flow)
    play.resume(None, "answered")
    assert refusal(play).reason == "ambiguous"
    assert "one, other, never" in refusal(play).message


def test_an_event_of_no_node_is_unknown() -> None:
    play = Play(Flow)
    play.resume(None, "anserwed")
    assert refusal(play).message.endswith("did you mean 'answered'?")


@pytest.mark.parity(18)
def test_the_history_tells_a_bounded_number_of_refusals() -> None:
    play = Play(Flow)
    for _ in range(MAX_REFUSALS + 5):
        play.resume("nobody", "nothing")
        assert refusal(play).reason == "unknown_node"
    assert len([told for told in play.history if told.type == "event_refused"]) == MAX_REFUSALS
    assert play.state.sequence == len(play.history)


def test_a_wait_passes_through_the_engine_like_any_other_step() -> None:
    class Patient(Workflow[None], key="order"):
        wait = Wait(DAY)
        end = Done()
        start = wait
        transitions = (wait.elapsed.to(end),)

    play = Play(Patient)
    play.suspend("wait", timeout=DAY, otherwise=Reported("elapsed"))
    assert play.status == "waiting"
    play.fire("wait", "wait")
    assert play.status == "completed"
