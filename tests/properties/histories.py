"""Random histories of one run: what its steps, its timers, outsiders and crashes may tell the engine, in any order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from hypothesis import strategies as st

from hephaestus_stream.core.answer import Accepted, Answer, Refused
from hephaestus_stream.core.decision import Decision
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import (
    Cancel,
    ChoiceFailed,
    Chosen,
    Continue,
    Input,
    Pause,
    Recovered,
    Resume,
    Retry,
    Skip,
    StepEmitted,
    StepFailed,
    StepSuspended,
    TimerFired,
)
from hephaestus_stream.core.limits import MAX_EARLY_EVENTS, MAX_PAYLOAD_BYTES
from hephaestus_stream.core.state import ACTIVE, Error, Reported
from hephaestus_stream.core.steering import may_be_retried
from tests.properties.driver import BEGIN, LATE, Driver, Word
from tests.properties.ledger import Timer, running_in

sizes = st.sampled_from((0, 0, 1, 7, 1_000, MAX_PAYLOAD_BYTES // 3, MAX_PAYLOAD_BYTES))
delays = st.sampled_from((timedelta(0), timedelta(seconds=3), timedelta(days=3), timedelta.max))
untils = st.sampled_from(
    (BEGIN - timedelta(days=1), BEGIN + timedelta(seconds=30), datetime.max.replace(tzinfo=BEGIN.tzinfo))
)


class History(Driver):
    """A run that is told whatever is drawn."""

    def __init__(self, definition: Definition, words: dict[str, Word], draw: st.DataObject) -> None:
        self._draw = draw
        self._fired: list[Timer] = []
        self._attempts: list[tuple[str, int]] = []
        super().__init__(definition, words)

    def drawn(self, *, most: int) -> History:
        """Lets up to so many things happen."""
        actions: list[Callable[[], None]] = [
            *[self.emit] * 6,
            *[self.suspend] * 4,
            *[self.fail] * 2,
            *[self.let_a_timer_fire] * 3,
            *[self.send] * 4,
            self.say_something_stale,
            self.fire_what_is_over,
            self.be_recovered,
            self.send_nonsense,
            self.maybe_cancel,
            *[self.pause_or_continue] * 2,
            *[self.retry] * 2,
            *[self.skip] * 2,
        ]
        for _ in range(self._draw.draw(st.integers(0, most), label="inputs")):
            self._draw.draw(st.sampled_from(actions), label="what happens")()
        return self

    def wind_up(self) -> None:
        """Ends whatever is active with any of its events, until the run has ended."""
        while self.state.is_live:
            if self.state.paused:
                self.tell(Continue("late"))
            name = min(self.active)
            node = self.state.nodes[name]
            if node.due_at is not None:
                self.fire(name)
            elif node.status == "waiting":
                self.tell(Resume("late", name, Reported(self.external_events(name)[0])))
            else:
                self.tell(StepEmitted(name, node.attempt, Reported(self.words[name][0])))

    def chosen(self, node: str, event: str) -> Chosen | ChoiceFailed:
        bad = self._draw.draw(st.integers(0, 60), label="route")
        if bad == 0:
            return ChoiceFailed(node, Error("KeyError", "no such order"))
        if bad == 1:
            return Chosen(node, "nowhere")
        return Chosen(node, self._draw.draw(st.sampled_from(sorted(self.definition.labels[node, event]))))

    def external_events(self, node: str) -> list[str]:
        return [name for name, event in self.definition.events[node].items() if event.external]

    def emit(self) -> None:
        """An attempt ends with one of its events."""
        for node, attempt in self._running():
            self.tell(StepEmitted(node, attempt, self._reported(node)))

    def suspend(self) -> None:
        """An attempt begins to wait, for a time or for somebody, or for either."""
        for node, attempt in self._running():
            until = self._draw.draw(st.one_of(st.none(), untils))
            timeout = self._draw.draw(st.one_of(st.none(), delays)) if until is None else None
            if until is None and timeout is None and not self.external_events(node):
                timeout = timedelta(minutes=1)
            timed = until is not None or timeout is not None
            otherwise = self._reported(node) if timed and self._draw.draw(st.booleans()) else None
            self.tell(StepSuspended(node, attempt, timeout, until, otherwise))

    def fail(self) -> None:
        """An attempt fails."""
        for node, attempt in self._running():
            permanent = self._draw.draw(st.integers(0, 15)) == 0
            later = self._draw.draw(st.one_of(st.none(), delays))
            jitter = self._draw.draw(st.sampled_from((0.0, 0.5, 0.99)))
            self.tell(StepFailed(node, attempt, Error("OSError", "down"), permanent, jitter, later))

    def let_a_timer_fire(self) -> None:
        """Time passes until one of the timers is due."""
        if self.ledger.timers:
            node, attempt, kind, due_at = self._draw.draw(st.sampled_from(sorted(self.ledger.timers)))
            self._fired.append((node, attempt, kind, due_at))
            self.now = max(self.now, min(due_at, LATE))
            self.tell(TimerFired(node, attempt, "retry" if kind == "retry" else "wait", due_at))
            assert (node, attempt, kind, due_at) not in self.ledger.timers

    def send(self) -> None:
        """An outsider sends an event: too early, in time, or too late."""
        nodes = [node for node in self.definition.events if self.external_events(node)]
        if nodes:
            node = self._draw.draw(st.sampled_from(nodes))
            event = self._draw.draw(st.sampled_from(self.external_events(node)))
            self._send(Resume("command", node, Reported(event, b"x" * self._draw.draw(sizes))))

    def send_nonsense(self) -> None:
        """An outsider sends what nobody takes, or may be taken by somebody."""
        nodes = [None, "nobody", *self.definition.nodes]
        events = ["e0", "e1", "e2", "received", "timed_out", "elapsed", "nothing"]
        self._send(
            Resume(
                "nonsense",
                self._draw.draw(st.sampled_from(nodes)),
                Reported(self._draw.draw(st.sampled_from(events))),
                self._draw.draw(st.sampled_from((None, None, "it is no text"))),
            )
        )

    def say_something_stale(self) -> None:
        """An outcome arrives a second time, or from an attempt that nobody waits for."""
        current = running_in(self.state)
        stale = [
            place for place in (*self._attempts, ("nobody", 1), (min(self.state.nodes), 9)) if place not in current
        ]
        node, attempt = self._draw.draw(st.sampled_from(stale))
        told: tuple[Input, ...] = (
            StepEmitted(node, attempt, Reported("e0")),
            StepSuspended(node, attempt, timedelta(0)),
            StepFailed(node, attempt, Error("OSError", "down"), permanent=True),
        )
        self._changes_nothing(self.tell(self._draw.draw(st.sampled_from(told))))

    def fire_what_is_over(self) -> None:
        """A timer fires again."""
        if self._fired:
            node, attempt, kind, due_at = self._draw.draw(st.sampled_from(self._fired))
            if (node, attempt, kind, due_at) not in self.ledger.timers:
                fired = TimerFired(node, attempt, "retry" if kind == "retry" else "wait", due_at)
                self._changes_nothing(self.tell(fired))

    def be_recovered(self) -> None:
        """Another worker takes the run over."""
        running = sorted({node for node, _ in running_in(self.state)})
        alive = tuple(node for node in running if self._draw.draw(st.booleans()))
        self.tell(Recovered(self._draw.draw(st.booleans()), alive))

    def maybe_cancel(self) -> None:
        """An outsider ends the run, now and then."""
        if self._draw.draw(st.integers(0, 5)) == 0:
            was_live = self.state.is_live
            answer = self.tell(Cancel("cancel")).answer
            assert isinstance(answer, Accepted) == was_live

    def pause_or_continue(self) -> None:
        """An outsider pauses the run, or lets it go on."""
        before = self.state
        pauses = self._draw.draw(st.booleans(), label="pauses")
        answer = self.tell(Pause("pause") if pauses else Continue("continue")).answer
        if before.is_live:
            assert answer == Accepted("existing" if before.paused == pauses else "applied")
        else:
            assert isinstance(answer, Refused)
        assert self.state.paused == (before.is_live and pauses)

    def retry(self) -> None:
        """An outsider retries the run; where a node failed it goes on there, and with what that interrupted."""
        before = self.state
        answer = self.tell(Retry("retry", "mended", "ada")).answer
        if not may_be_retried(before):
            assert isinstance(answer, Refused)
            assert answer.reason == "not_retryable"
            return
        assert isinstance(answer, Accepted)
        interrupted = {name for name, node in before.nodes.items() if node.status == "interrupted"}
        now = self.state.nodes
        if self.state.is_live:
            assert not any(now[name].status == "interrupted" for name in interrupted)
            assert {name for name in interrupted if now[name].status == "waiting"} >= {
                name for name in interrupted if (was := before.nodes[name].was) and was.status == "waiting"
            }

    def skip(self) -> None:
        """An outsider ends a node in place of its step."""
        node = self._draw.draw(st.sampled_from(sorted(self.definition.events)), label="node")
        before = self.state
        reported = self._reported(node)
        answer = self.tell(Skip("skip", node=node, reported=reported)).answer
        reached = before.nodes.get(node)
        skippable = reached is not None and (
            reached.status in ACTIVE if before.is_live else may_be_retried(before) and before.ended_at == node
        )
        if isinstance(answer, Accepted):
            assert skippable
            assert self.state.nodes[node].reported == reported
        else:
            assert answer is not None
            assert not skippable or answer.reason == "too_large"

    def _send(self, resume: Resume) -> None:
        should = expected_answer(self, resume)
        answer = self.tell(resume).answer
        assert answer is not None
        assert word_of(answer) == should

    def _running(self) -> list[tuple[str, int]]:
        """One of the attempts that are being executed; none where there is none."""
        running = sorted(running_in(self.state))
        drawn = [self._draw.draw(st.sampled_from(running), label="attempt")] if running else []
        self._attempts += drawn
        return drawn

    def _reported(self, node: str) -> Reported:
        event = self._draw.draw(st.sampled_from(sorted(self.definition.events[node])), label="event")
        size = self._draw.draw(sizes, label="payload")
        return Reported(event, b"x" * size if size else None)

    def _changes_nothing(self, decision: Decision) -> None:
        before = self.decisions[-2].state
        assert decision.state.nodes == before.nodes
        assert (decision.state.status, decision.state.early) == (before.status, before.early)
        assert {told.type for told in decision.history} <= {"outcome_ignored"}


def expected_answer(history: History, resume: Resume) -> str:
    """What an outsider should be told, by the words of the contract."""
    definition, state = history.definition, history.state
    event = resume.reported.event
    takers = [node for node in definition.events if event in history.external_events(node)]
    emitters = [node for node, events in definition.events.items() if event in events]
    node = resume.node or (takers[0] if len(takers) == 1 else None)
    if not state.is_live:
        return "ended"
    if node is None:
        return "ambiguous" if takers else "not_external" if emitters else "unknown_event"
    if node not in definition.nodes:
        return "unknown_node"
    if node not in takers:
        return "not_external" if node in emitters else "unknown_event"
    reached = state.nodes.get(node)
    if reached is not None and reached.status not in ACTIVE:
        return "settled"
    if resume.problem is not None:
        return "invalid_payload"
    given_up = reached.otherwise.size if reached is not None and reached.otherwise is not None else 0
    if state.payload_bytes - given_up + resume.reported.size > MAX_PAYLOAD_BYTES:
        return "too_large"
    if reached is not None and reached.status == "waiting":
        return "applied"
    return "kept" if len(state.early) < MAX_EARLY_EVENTS else "early_events_full"


def word_of(answer: Answer) -> str:
    return answer.reason if isinstance(answer, Refused) else answer.effect
