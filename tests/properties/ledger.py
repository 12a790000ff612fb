"""What must hold after every single input, whatever it was."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise

from hephaestus_stream.core.decision import (
    ClearTimer,
    Decision,
    HistoryEvent,
    PublishCompletion,
    PublishResult,
    RunStep,
    SetTimer,
    StopStep,
)
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.ending import Ending
from hephaestus_stream.core.input import Input, StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.state import ACTIVE, ENDED, NodeState, Reported, State
from hephaestus_stream.core.steering import may_be_retried
from hephaestus_stream.core.step import is_step

Timer = tuple[str, int, str, datetime]


class Ledger:
    """Follows the decisions about one run, as a shard does, and compares its own books with the state.

    Attributes:
        timers: Those that are set.
        running: The attempts that are being executed.
    """

    def __init__(self) -> None:
        self.timers: set[Timer] = set()
        self.running: set[tuple[str, int]] = set()
        self.history: list[HistoryEvent] = []
        self.results: list[PublishResult] = []
        self.completions = 0
        self._settled: dict[str, NodeState] = {}

    def follow(self, what: Input, decision: Decision) -> None:
        if isinstance(what, StepEmitted | StepSuspended | StepFailed):
            self.running.discard((what.node, what.attempt))
        self.history.extend(decision.history)
        if any(told.type == "retried" for told in decision.history):
            self._settled.clear()
        begun = {(effect.node, effect.attempt) for effect in decision.effects if isinstance(effect, RunStep)}
        stopped = {(effect.node, effect.attempt) for effect in decision.effects if isinstance(effect, StopStep)}
        assert not begun & stopped, "a step was started and stopped in one breath"
        assert stopped <= self.running, "what does not run cannot be stopped"
        self.running = (self.running | begun) - stopped
        for effect in decision.effects:
            match effect:
                case SetTimer(node, attempt, kind, due_at):
                    assert (node, attempt, kind, due_at) not in self.timers
                    self.timers.add((node, attempt, kind, due_at))
                case ClearTimer(node, attempt, kind, due_at):
                    self.timers.discard((node, attempt, kind, due_at))
                case PublishResult():
                    self.results.append(effect)
                case PublishCompletion():
                    self.completions += 1
                case _:
                    pass

    def check(self, definition: Definition, state: State) -> None:
        self._check_history(state)
        self._check_settled(state)
        check_state(definition, state)
        assert self.timers == timers_of(state), "the timers that are set are those that nodes wait for"
        assert self.running == running_in(state), "what is executed is what the state calls running"
        retries = len([told for told in self.history if told.type == "retried"])
        assert self.completions == retries + (not state.is_live)
        assert {result.node for result in self.results} == {
            name for name, node in state.nodes.items() if node.reported is not None
        }
        # A node whose route failed may be skipped, and has a further result then.
        assert len(self.results) <= len({result.node for result in self.results}) + retries

    def _check_history(self, state: State) -> None:
        check_history([(told.sequence, told.at, told.type, told.node, told.attempt) for told in self.history], state)

    def _check_settled(self, state: State) -> None:
        for name, node in self._settled.items():
            assert state.nodes[name] == node, "a settled node never changes"
        self._settled = {name: node for name, node in state.nodes.items() if node.status not in ACTIVE}


def check_history(told: list[tuple[int, datetime, str, str | None, int | None]], state: State) -> None:
    """The history of a run has no gap, and tells of each node and of the run what can happen to them."""
    assert [sequence for sequence, *_ in told] == list(range(1, state.sequence + 1))
    assert all(earlier[1] <= later[1] for earlier, later in pairwise(told)), "time never runs backwards"
    endings = [kind for _, _, kind, *_ in told if kind in ENDED or kind == "retried"]
    lives = endings[::2] + ([] if len(endings) % 2 else ["live"])
    assert lives == ["failed"] * (len(lives) - 1) + ["live" if state.is_live else state.status]
    assert set(endings[1::2]) <= {"retried"}, "a run ends once, unless it failed and is retried"
    attempts: dict[str | None, list[int | None]] = {}
    for _, _, kind, node, attempt in told:
        if kind == "step_started":
            attempts.setdefault(node, []).append(attempt)
    for numbers in attempts.values():
        assert numbers == list(range(1, len(numbers) + 1)), "a node runs once; its attempts are counted from 1"
    for kind in ("step_completed", "node_dead", "routed", "interrupted"):
        repeated = Counter(node for _, _, each, node, _ in told if each == kind)
        assert max(repeated.values(), default=0) <= len(lives), f"{kind} twice"


def check_state(definition: Definition, state: State, *, labels: int = 0) -> None:
    """A run has ended at one of its nodes, or something keeps it that has a name.

    Args:
        definition: The workflow.
        state: The run.
        labels: The bytes that its start's tags and metadata took.
    """
    active = {name: node for name, node in state.nodes.items() if node.status in ACTIVE}
    if state.is_live:
        assert active, "a live run has something active"
        waits = {node.status for node in active.values()} == {"waiting"}
        assert state.status == ("waiting" if waits else "running")
        assert (state.ended_at, state.finished_at, state.error) == (None, None, None)
        for name, node in active.items():
            kept_by = keeper(definition, name, node, is_paused=state.paused)
            assert kept_by is not None, f"{name} waits for nothing that has a name"
    else:
        assert not active, "nothing goes on after the end"
        assert state.finished_at is not None
        assert state.early == () or may_be_retried(state), "what nobody can take any more is dropped"
        assert not state.paused
        assert state.ended_at in endings_of(definition, state)
    assert state.payload_bytes == payload_bytes_in(state) + labels
    statuses = [node.status for node in state.nodes.values()]
    assert (state.running, state.waiting) == (statuses.count("running"), statuses.count("waiting"))
    assert state.pausing == sum(status in {"ready", "retrying", "choosing"} for status in statuses)
    reached = [name for name in state.nodes if isinstance(definition.nodes[name], Ending)]
    live_endings = [name for name in reached if state.nodes[name].status != "dead"]
    assert len(live_endings) == (state.ended_at in definition.graph.endings), "a run has one ending"


def keeper(definition: Definition, name: str, node: NodeState, *, is_paused: bool = False) -> str | None:
    """What a run waits for at a node: in words for whoever asks."""
    external = [event for event, each in definition.events[name].items() if each.external]
    match node.status:
        case "ready" if is_paused:
            return "whoever continues the run"
        case "running":
            return f"attempt {node.attempt} of {name}"
        case "retrying":
            return f"the next attempt of {name} at {node.due_at}" if node.due_at is not None else None
        case "waiting" if node.due_at is not None:
            return f"the timer of {name} at {node.due_at}"
        case "waiting" if external:
            return f"somebody who sends {name}.{external[0]}"
        case _:
            return None


def endings_of(definition: Definition, state: State) -> set[str | None]:
    """Where a run with this status may have ended."""
    match state.status:
        case "completed":
            return {
                name for name, node in definition.nodes.items() if isinstance(node, Ending) and node.failure is None
            }
        case "failed":
            failed: set[str | None] = {name for name, node in state.nodes.items() if node.status == "failed"}
            assert len(failed) <= 1
            return failed or {name for name, node in definition.nodes.items() if not is_step(node)}
        case _:
            return {None}


def timers_of(state: State) -> set[Timer]:
    if state.paused:
        return set()
    return {
        (name, node.attempt, "retry" if node.status == "retrying" else "wait", node.due_at)
        for name, node in state.nodes.items()
        if node.due_at is not None
    }


def running_in(state: State) -> set[tuple[str, int]]:
    return {(name, node.attempt) for name, node in state.nodes.items() if node.status == "running"}


def payload_bytes_in(state: State) -> int:
    """What the payloads of a record take, counted anew; tags and metadata left out."""
    kept: list[Reported | None] = [node.reported for node in state.nodes.values()]
    kept += [node.otherwise for node in state.nodes.values()]
    kept += [early.reported for early in state.early]
    kept += [parked.reported for parked in state.parked]
    return len(state.input) + sum(reported.size for reported in kept if reported is not None)
