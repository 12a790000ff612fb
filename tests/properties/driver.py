"""Drives a run through the engine: it answers every question and ends steps in a chosen order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from hephaestus_stream.core.decision import Choose, Decision, HistoryEvent, RunStep, StopStep
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import (
    Chosen,
    Input,
    Resume,
    Start,
    StepEmitted,
    StepFailed,
    StepSuspended,
    TimerFired,
)
from hephaestus_stream.core.state import ACTIVE, Error, Reported, State

Manner = Literal["at once", "after a retry", "after a wait"]
Pick = Callable[[Sequence[str]], str]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Driver:
    """One run. Time goes on by a second with each input.

    Attributes:
        completed: The steps that ended, in that order.
        inputs: Everything that the engine was told.
    """

    def __init__(self, definition: Definition, decided: Mapping[str, int], manner: Mapping[str, Manner]) -> None:
        self.definition = definition
        self.decided = decided
        self.manner = manner
        self.completed: list[str] = []
        self.inputs: list[Input] = []
        self.history: list[HistoryEvent] = []
        self._state: State | None = None
        self.tell(Start("random::1", "run", b"null"))

    @property
    def state(self) -> State:
        assert self._state is not None
        return self._state

    @property
    def active(self) -> set[str]:
        return {name for name, node in self.state.nodes.items() if node.status in ACTIVE}

    @property
    def started(self) -> list[str]:
        """The steps that got a first attempt, each as often as it got one."""
        return [told.node for told in self.history if told.type == "step_started" and told.attempt == 1 and told.node]

    def tell(self, what: Input) -> Decision:
        now = BEGIN + timedelta(seconds=len(self.inputs))
        decision = apply(self.definition, self._state, what, now=now)
        self.inputs.append(what)
        self._state = decision.state
        self.history.extend(decision.history)
        begun = {effect.node for effect in decision.effects if isinstance(effect, RunStep)}
        stopped = {effect.node for effect in decision.effects if isinstance(effect, StopStep)}
        assert not begun & stopped, "a step was started and stopped in one breath"
        for effect in decision.effects:
            if isinstance(effect, Choose):
                self.tell(Chosen(effect.node, f"l{self.decided.get(effect.node, 0)}"))
        return decision

    def finish(self, node: str) -> None:
        """Ends a step with the event that was decided for it."""
        routed = (node, "e0") in self.definition.routes
        reported = Reported("e0" if routed else f"e{self.decided.get(node, 0)}")
        attempt = 1
        self.completed.append(node)
        match self.manner.get(node, "at once"):
            case "after a retry":
                self.tell(StepFailed(node, 1, Error("OSError", "down")))
                due_at = self.state.nodes[node].due_at
                assert due_at is not None
                self.tell(TimerFired(node, 1, "retry", due_at))
                attempt = 2
            case "after a wait":
                self.tell(StepSuspended(node, 1))
                self.tell(Resume("command", node, reported))
                return
            case "at once":
                pass
        self.tell(StepEmitted(node, attempt, reported))

    def run(self, pick: Pick, *, before_each: Callable[[Driver], None] = lambda _: None) -> None:
        """Ends steps until the run has ended."""
        while self.state.is_live:
            before_each(self)
            self.finish(pick(sorted(self.active)))
        before_each(self)

    def replayed(self) -> bytes:
        """The state after the same inputs at the same times, as bytes."""
        state: State | None = None
        for index, what in enumerate(self.inputs):
            state = apply(self.definition, state, what, now=BEGIN + timedelta(seconds=index)).state
        return msgspec.msgpack.encode(state)
