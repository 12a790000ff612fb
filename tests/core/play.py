"""A run that is played by hand: every input is a verb, every decision is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hephaestus_stream import Workflow
from hephaestus_stream.core.decision import Decision, Effect, HistoryEvent
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import (
    Cancel,
    ChoiceFailed,
    Chosen,
    Input,
    Recovered,
    Resume,
    Start,
    StepEmitted,
    StepFailed,
    StepSuspended,
    TimerFired,
    TimerKind,
)
from hephaestus_stream.core.state import ACTIVE, Error, Reported, State

EffectT = TypeVar("EffectT", bound=Effect)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DOWN = Error("ConnectionError", "down")


class Play:
    """One run of a workflow from its start.

    Attributes:
        now: The time of the next input; it stands still unless it is moved.
        decision: What followed from the last input.
        history: Everything told so far.
    """

    def __init__(self, flow: type[Workflow[None]], *, payload: bytes = b"null") -> None:
        self.definition = flow.definition
        self.now = BEGIN
        self.history: list[HistoryEvent] = []
        self._state: State | None = None
        self.decision = self.tell(Start("order::1", "run-1", payload))

    @property
    def state(self) -> State:
        assert self._state is not None
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state

    @property
    def status(self) -> str:
        """Of the run; a `str`, since checkers hold on to a literal that was asserted before."""
        return self.state.status

    @property
    def active(self) -> set[str]:
        return {name for name, node in self.state.nodes.items() if node.status in ACTIVE}

    @property
    def statuses(self) -> dict[str, str]:
        return {name: node.status for name, node in self.state.nodes.items()}

    def tell(self, what: Input) -> Decision:
        self.decision = apply(self.definition, self._state, what, now=self.now)
        self._state = self.decision.state
        self.history.extend(self.decision.history)
        return self.decision

    def emit(self, node: str, event: str = "done", *, payload: bytes | None = None, attempt: int = 1) -> Decision:
        return self.tell(StepEmitted(node, attempt, Reported(event, payload)))

    def fail(self, node: str, *, attempt: int = 1, permanent: bool = False, jitter: float = 0.5) -> Decision:
        return self.tell(StepFailed(node, attempt, DOWN, permanent, jitter))

    def suspend(
        self,
        node: str,
        *,
        attempt: int = 1,
        timeout: timedelta | None = None,
        until: datetime | None = None,
        otherwise: Reported | None = None,
    ) -> Decision:
        return self.tell(StepSuspended(node, attempt, timeout, until, otherwise))

    def fire(self, node: str, kind: TimerKind) -> Decision:
        """The timer that a node waits for fires when it is due."""
        state = self.state.nodes[node]
        assert state.due_at is not None
        self.now = max(self.now, state.due_at)
        return self.tell(TimerFired(node, state.attempt, kind, state.due_at))

    def resume(
        self,
        node: str | None,
        event: str,
        *,
        payload: bytes | None = None,
        command: str = "command-1",
        problem: str | None = None,
    ) -> Decision:
        return self.tell(Resume(command, node, Reported(event, payload), problem))

    def cancel(self, reason: str | None = None) -> Decision:
        return self.tell(Cancel("command-9", reason))

    def choose(self, node: str, label: str) -> Decision:
        return self.tell(Chosen(node, label))

    def fail_choice(self, node: str) -> Decision:
        return self.tell(ChoiceFailed(node, DOWN))

    def recover(self, *, worker_lost: bool) -> Decision:
        return self.tell(Recovered(worker_lost))

    def told(self) -> list[tuple[str, str | None]]:
        """The last decision's history, by type and node."""
        return [(told.type, told.node) for told in self.decision.history]

    def effects(self, kind: type[EffectT]) -> list[EffectT]:
        """The last decision's effects of a kind."""
        return [effect for effect in self.decision.effects if isinstance(effect, kind)]
