"""The engine decides, and neither calls the user's code nor changes what it is given."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from pydantic import BaseModel, model_validator

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.core.decision import Choose, RunStep
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import Chosen, Input, Resume, Start, StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.state import Error, Reported, State
from tests.core.play import BEGIN, Play

pytestmark = pytest.mark.parity(2)


class Forbidden(BaseModel):
    """A model that nobody may read."""

    @model_validator(mode="after")
    def refuse(self) -> Forbidden:
        raise AssertionError("the engine read a payload")


class Untouchable(Step[object]):
    done = Event(Forbidden, external=True)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        raise AssertionError("the engine called a step")


def never(_: Context[object]) -> Literal["here", "there"]:
    raise AssertionError("the engine asked a route")


class Flow(Workflow[None], key="order"):
    first = Untouchable()
    second = Untouchable()
    third = Untouchable()
    end = Done()
    start = first
    transitions = (
        first.done.route(never).to({"here": second, "there": third}),
        second.done.to(end),
        third.done.to(end),
    )


UNREAD = Reported("done", b"{}")


def test_the_engine_asks_for_steps_and_routes_and_reads_no_payload() -> None:
    play = Play(Flow, payload=b"no JSON at all")
    assert play.effects(RunStep) == [RunStep("first", 1)]
    play.tell(StepEmitted("first", 1, UNREAD))
    assert play.effects(Choose) == [Choose("first", "done")]
    play.choose("first", "there")
    play.suspend("third")
    play.tell(Resume("command-1", "third", UNREAD))
    assert (play.status, play.state.ended_at) == ("completed", "end")


INPUTS: tuple[Input, ...] = (
    StepFailed("first", 1, Error("OSError", "down")),
    StepSuspended("first", 1),
    StepEmitted("first", 1, UNREAD),
    Resume("command-1", "second", UNREAD),
)


@pytest.mark.parametrize("what", INPUTS, ids=lambda what: type(what).__name__)
def test_a_state_is_as_it_was_after_the_engine_has_decided_about_it(what: Input) -> None:
    state = apply(Flow.definition, None, Start("order::1", "run-1", b"null"), now=BEGIN).state
    before = msgspec.msgpack.encode(state)
    decision = apply(Flow.definition, state, what, now=BEGIN)
    assert decision.state != state
    assert msgspec.msgpack.encode(state) == before
    # And it decides the same again.
    assert apply(Flow.definition, state, what, now=BEGIN) == decision


def test_states_and_decisions_cannot_be_changed() -> None:
    decision = apply(Flow.definition, None, Start("order::1", "run-1", b"null"), now=BEGIN)
    for frozen, name in ((decision, "state"), (decision.state, "status"), (decision.state.nodes["first"], "attempt")):
        with pytest.raises(AttributeError):
            setattr(frozen, name, None)


def test_a_decision_needs_nothing_but_its_arguments() -> None:
    def played() -> list[State]:
        play = Play(Flow)
        said = (StepEmitted("first", 1, UNREAD), Chosen("first", "here"), StepEmitted("second", 1, UNREAD))
        return [play.state, *(play.tell(what).state for what in said)]

    assert played() == played()
