"""A run whose workflow the worker lacks: events are kept, a cancel works, nothing else can happen to it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream import Done, Workflow
from hephaestus_stream.core.answer import Accepted, Answer, Refused
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import Cancel, Input, Release, Resume, StepEmitted
from hephaestus_stream.core.limits import MAX_EARLY_EVENTS, MAX_PAYLOAD_BYTES, MAX_REFUSALS
from hephaestus_stream.core.state import Reported, State
from hephaestus_stream.errors import EngineError
from tests.core.flows import Ask, Work
from tests.core.play import BEGIN, Play


class Flow(Workflow[None], key="order"):
    ask = Ask()
    work = Work()
    done = Done()
    start = ask
    transitions = (
        ask.answered.to(work),
        ask.withdrawn.to(done),
        ask.gave_up.to(done),
        work.done.to(done),
    )


def waiting() -> Play:
    play = Play(Flow)
    play.suspend("ask", timeout=timedelta(hours=1), otherwise=Reported("gave_up"))
    return play


def parked(state: State, what: Input) -> tuple[State, Answer | None, list[str]]:
    """What a worker without the workflow makes of an input."""
    decision = apply(None, state, what, now=BEGIN)
    return decision.state, decision.answer, [event.type for event in decision.history]


def kept(play: Play, *commands: str, payload: bytes | None = None) -> State:
    """The run after events that came while it was parked."""
    for command in commands:
        play.state, _, _ = parked(play.state, Resume(command, "ask", Reported("withdrawn", payload)))
    return play.state


def test_an_event_for_a_parked_run_is_kept_as_it_came() -> None:
    play = waiting()

    state, answer, told = parked(play.state, Resume("command-1", None, Reported("nonsense", b'{"a": 1}')))

    assert answer == Accepted("kept")
    assert told == ["event_kept"]
    assert state.payload_bytes == play.state.payload_bytes + 8
    assert state.nodes == play.state.nodes


def test_a_parked_run_can_be_cancelled() -> None:
    state, answer, told = parked(kept(waiting(), "command-1"), Cancel("command-2"))
    assert answer == Accepted("applied")
    assert told == ["interrupted", "event_dropped", "cancelled"]
    assert (state.status, state.parked, state.payload_bytes) == ("cancelled", (), 4)


def test_an_ended_run_keeps_no_events() -> None:
    play = waiting()
    play.cancel()
    _, answer, _ = parked(play.state, Resume("command-1", "ask", Reported("withdrawn")))
    assert isinstance(answer, Refused)
    assert answer.reason == "ended"


def test_a_parked_run_keeps_so_many_events_and_no_more() -> None:
    state = kept(waiting(), *(f"command-{number}" for number in range(MAX_EARLY_EVENTS)))
    _, answer, _ = parked(state, Resume("one more", "ask", Reported("withdrawn")))
    assert isinstance(answer, Refused)
    assert answer.reason == "early_events_full"


def test_a_parked_run_keeps_so_many_bytes_and_no_more() -> None:
    state = kept(waiting(), "command-1", payload=b"x" * (MAX_PAYLOAD_BYTES - 4))
    _, answer, _ = parked(state, Resume("command-2", "ask", Reported("withdrawn", b"x")))
    assert isinstance(answer, Refused)
    assert answer.reason == "too_large"


def test_a_kept_event_is_taken_when_the_workflow_is_known_again() -> None:
    play = waiting()
    kept(play, "command-1")

    play.tell(Release(Resume("command-1", "ask", Reported("withdrawn"))))

    assert play.told()[0] == ("resumed", "ask")
    assert play.status == "completed"
    assert play.decision.answer is None


def test_a_kept_event_that_nothing_takes_is_refused_in_the_history() -> None:
    play = waiting()
    kept(play, "command-1", payload=b"12345")

    play.tell(Release(Resume("command-1", "nobody", Reported("withdrawn", b"12345"))))

    assert play.told() == [("event_refused", "nobody")]
    assert (play.state.parked, play.state.payload_bytes) == ((), 4)


def test_an_event_is_released_once() -> None:
    play = waiting()
    kept(play, "command-1")
    release = Release(Resume("command-1", "ask", Reported("withdrawn")))
    play.tell(release)
    assert play.tell(release).history == ()


def test_nothing_else_can_happen_to_a_run_whose_workflow_is_not_known() -> None:
    play = Play(Flow)
    with pytest.raises(EngineError, match="is parked"):
        parked(play.state, StepEmitted("ask", 1, Reported("withdrawn")))


def test_a_kept_event_that_is_refused_leaves_even_if_no_more_refusals_are_told() -> None:
    play = waiting()
    for number in range(MAX_REFUSALS):
        play.resume("nobody", "nothing", command=f"refused-{number}")
    play.state = kept(play, "command-1", payload=b"12345")

    play.tell(Release(Resume("command-1", "nobody", Reported("withdrawn", b"12345"))))

    assert play.told() == [("event_dropped", "nobody")]
    assert (play.state.parked, play.state.payload_bytes) == ((), 4)
