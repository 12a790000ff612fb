"""Drives a run through the engine: it answers every question and ends steps in a chosen order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from hephaestus_stream.core.decision import Choose, Decision
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import (
    ChoiceFailed,
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
from tests.properties.ledger import Ledger

Manner = Literal["at once", "after a retry", "after a wait", "after a timeout"]
Pick = Callable[[Sequence[str]], str]
Word = tuple[str, str | None]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LATE = BEGIN + timedelta(days=30)
"""Timers of the calendar's end stand for ever: there is no time behind theirs, so they fire before it."""


class Driver:
    """One run, whose books are checked after each input. Time goes on by a second with each.

    Attributes:
        words: The event and the label that each node will end with.
        completed: The steps that ended, with what they said, in that order.
        log: Everything that the engine was told, and when.
        decisions: What it decided.
    """

    def __init__(
        self, definition: Definition, words: Mapping[str, Word], manner: Mapping[str, Manner] | None = None
    ) -> None:
        self.definition = definition
        self.words = words
        self.manner = manner or {}
        self.now = BEGIN
        self.completed: list[tuple[str, Word]] = []
        self.log: list[tuple[Input, datetime]] = []
        self.decisions: list[Decision] = []
        self.ledger = Ledger()
        self.tell(Start("random::1", "run", b"null"))

    @property
    def state(self) -> State:
        return self.decisions[-1].state

    @property
    def active(self) -> set[str]:
        return {name for name, node in self.state.nodes.items() if node.status in ACTIVE}

    def chosen(self, node: str, event: str) -> Chosen | ChoiceFailed:
        """What the routing function of a node says."""
        return Chosen(node, self.words[node][1] or "l0" if self.words[node][0] == event else "l0")

    def tell(self, what: Input) -> Decision:
        """Applies an input, and what its routes choose."""
        decision = self._apply(what)
        while asked := [effect for effect in self.decisions[-1].effects if isinstance(effect, Choose)]:
            self._apply(self.chosen(asked[0].node, asked[0].event))
        self.ledger.check(self.definition, self.state)
        return decision

    def _apply(self, what: Input) -> Decision:
        self.now += timedelta(seconds=1)
        before = self.state if self.decisions else None
        decision = apply(self.definition, before, what, now=self.now)
        self.log.append((what, self.now))
        self.decisions.append(decision)
        self.ledger.follow(what, decision)
        for told in decision.history:
            node = decision.state.nodes.get(told.node or "")
            is_completed = node is not None and node.status == "completed"
            if told.node and node and node.reported and is_completed and told.type in {"step_completed", "routed"}:
                self.completed.append((told.node, (node.reported.event, node.label)))
        return decision

    def finish(self, node: str) -> None:
        """Ends a step that runs with the event that was decided for it."""
        reported = Reported(self.words[node][0], node.encode())
        declared = self.definition.events[node]
        manner = self.manner.get(node, "at once")
        if manner == "after a wait" and declared[reported.event].external:
            self.tell(StepSuspended(node, 1))
            self.tell(Resume("command", node, reported))
        elif manner == "after a timeout":
            self.tell(StepSuspended(node, 1, timedelta(hours=1), otherwise=reported))
            self.fire(node)
        elif manner == "after a retry":
            self.tell(StepFailed(node, 1, Error("OSError", "down")))
            self.fire(node)
            self.tell(StepEmitted(node, 2, reported))
        else:
            self.tell(StepEmitted(node, 1, reported))

    def fire(self, node: str) -> None:
        """Lets the timer of a node come due."""
        state = self.state.nodes[node]
        assert state.due_at is not None
        self.now = max(self.now, min(state.due_at, LATE))
        self.tell(TimerFired(node, state.attempt, "retry" if state.status == "retrying" else "wait", state.due_at))

    def run(self, pick: Pick, *, before_each: Callable[[Driver], None] = lambda _: None) -> None:
        """Ends steps until the run has ended."""
        while self.state.is_live:
            before_each(self)
            self.finish(pick(sorted(self.active)))
        before_each(self)
