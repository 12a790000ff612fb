"""How a run moves on: nodes start, end, fail, wait and die, until one of them ends the run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

import msgspec

from hephaestus_stream.core.decision import (
    Choose,
    ClearTimer,
    PublishCompletion,
    PublishResult,
    RunStep,
    StopStep,
)
from hephaestus_stream.core.ending import Ending
from hephaestus_stream.core.input import StepFailed, StepSuspended, TimerFired
from hephaestus_stream.core.join import Verdict, judge
from hephaestus_stream.core.journal import Journal
from hephaestus_stream.core.limits import (
    MAX_ERRORS_BYTES,
    MAX_NODE_ERROR,
    MAX_PAYLOAD_BYTES,
    MAX_RUN_ERROR,
)
from hephaestus_stream.core.state import (
    ACTIVE,
    EarlyEvent,
    EndStatus,
    Error,
    Interrupted,
    NodeState,
    ParkedEvent,
    Reported,
)
from hephaestus_stream.core.timers import clear_timer, due_at_of, later, set_timer

_SHOWN_LABEL = 100
_UNRESTARTED: dict[str, object] = {"restarts": 0, "prompt_losses": 0, "restarted_at": None, "held": False}


def enter(journal: Journal, node: str, *, entered_from: str | None = None) -> None:
    """A node starts: a step runs its first attempt, an ending ends the run."""
    place = journal.definition.nodes[node]
    if isinstance(place, Ending):
        journal.put(node, NodeState("completed", settled_at=journal.now, entered_from=entered_from))
        if place.failure is None:
            end(journal, "completed", node=node, error=None)
        else:
            end(journal, "failed", node=node, error=Error("Failed", place.failure))
        return
    journal.put(node, NodeState("running", entered_from=entered_from))
    attempt(journal, node, number=1)


def is_current(journal: Journal, node: str, attempt: int) -> bool:
    """Whether an outcome is of the attempt that is being executed; a late one is told and ignored."""
    state = journal.nodes.get(node)
    if state is not None and state.status == "running" and state.attempt == attempt:
        return True
    if journal.is_live:
        journal.record(
            "outcome_ignored", node, attempt=attempt, details={"status": state.status if state else "unreached"}
        )
    return False


def complete(journal: Journal, node: str, reported: Reported) -> None:
    """A node's event has happened; its route, if it has one, is asked first."""
    state = journal.nodes[node]
    if not _fits(journal, node, reported):
        return
    clear_timer(journal, node)
    journal.payload_bytes += reported.size - _replaceable(state)
    journal.record("step_completed", node, event=reported.event, attempt=state.attempt or None)
    journal.effects.append(
        PublishResult(node, state.attempt, journal.sequence, reported, state.started_at or journal.now)
    )
    routed = (node, reported.event) in journal.definition.routes
    journal.update(
        node,
        status="choosing" if routed else "completed",
        reported=reported,
        otherwise=None,
        settled_at=journal.now,
        due_at=None,
        error=None,
    )
    if routed:
        journal.effects.append(Choose(node, reported.event))
    else:
        _settle(journal, node)


def choose(journal: Journal, node: str, *, label: str) -> None:
    """A route has been decided."""
    state = journal.nodes.get(node)
    if state is None or state.status != "choosing" or state.reported is None:
        return
    event = state.reported.event
    declared = journal.definition.labels[node, event]
    if label not in declared:
        fail_node(journal, node, error=unknown_label(node, event, label=label, declared=declared))
        return
    journal.update(node, status="completed", label=label)
    journal.record("routed", node, event=event, details={"label": label})
    _settle(journal, node)


def unknown_label(node: str, event: str, *, label: str, declared: Collection[str]) -> Error:
    """What a route's node fails by that chose what is not declared; it quotes what the user's function returned."""
    known = ", ".join(sorted(declared))
    return Error("UnknownLabel", f"the route of {node}.{event} chose {label[:_SHOWN_LABEL]!r}; declared are {known}")


def fail_choice(journal: Journal, node: str, *, error: Error) -> None:
    """A routing function raised: its node fails for good, since asking again gives the same answer."""
    state = journal.nodes.get(node)
    if state is not None and state.status == "choosing":
        fail_node(journal, node, error=error)


def suspend(journal: Journal, what: StepSuspended) -> None:
    """A node begins to wait; an event that came early is taken at once."""
    node = what.node
    if what.otherwise is not None and not _fits(journal, node, what.otherwise):
        return
    due_at = due_at_of(journal, what)
    journal.payload_bytes += (what.otherwise.size if what.otherwise else 0) - _replaceable(journal.nodes[node])
    until = what.timeout is None and what.until is not None
    journal.update(node, status="waiting", due_at=due_at, until=until, otherwise=what.otherwise)
    journal.record("suspended", node, attempt=what.attempt)
    for index, early in enumerate(journal.early):
        if early.node == node:
            journal.early = journal.early[:index] + journal.early[index + 1 :]
            journal.payload_bytes -= early.reported.size
            journal.update(node, due_at=None)
            journal.record(
                "resumed",
                node,
                event=early.reported.event,
                attempt=what.attempt,
                details={"command": early.command, "early": True},
            )
            complete(journal, node, early.reported)
            return
    if due_at is not None:
        set_timer(journal, node, kind="wait", due_at=due_at)


def fire(journal: Journal, what: TimerFired) -> None:
    """A due time has come; a timer of something that is over is only cleared."""
    journal.effects.append(ClearTimer(what.node, what.attempt, what.kind, what.due_at))
    if journal.paused:
        return  # it is set again when the run is continued
    state = journal.nodes.get(what.node)
    awaited = "waiting" if what.kind == "wait" else "retrying"
    if state is None or (state.status, state.attempt, state.due_at) != (awaited, what.attempt, what.due_at):
        return
    journal.record("timer_fired", what.node, attempt=what.attempt, details={"timer": what.kind})
    journal.update(what.node, due_at=None)
    if what.kind == "retry":
        attempt(journal, what.node, number=what.attempt + 1)
    elif state.otherwise is not None:
        complete(journal, what.node, state.otherwise)
    else:
        error = Error("WaitTimeout", f"no event came for {what.node} in time")
        fail_attempt(journal, StepFailed(what.node, what.attempt, error, jitter=what.jitter))


def fail_attempt(journal: Journal, what: StepFailed) -> None:
    """An attempt failed: another one is due later, or the node fails."""
    node = what.node
    state = journal.nodes[node]
    # A node that its version has no longer has no policy either: its failure is permanent.
    lasting = what.permanent or node not in journal.definition.nodes
    counted = state.attempt - state.forgiven
    if lasting or counted >= (policy := journal.definition.retry_of(node)).max_attempts:
        fail_node(journal, node, error=what.error)
        return
    _record_failure(journal, node, error=what.error)
    delay = policy.delay(counted, jitter=what.jitter) if what.retry_after is None else what.retry_after
    journal.update(node, status="retrying", error=_kept(journal, what.error), **_UNRESTARTED)
    _schedule_retry(journal, node, due_at=later(journal.now, delay))


def _schedule_retry(journal: Journal, node: str, *, due_at: datetime) -> None:
    number = journal.nodes[node].attempt + 1
    journal.record("retry_scheduled", node, attempt=number, details={"due_at": due_at.isoformat()})
    set_timer(journal, node, kind="retry", due_at=due_at)


def fail_node(journal: Journal, node: str, *, error: Error) -> None:
    """A node failed for good, and with it the run."""
    _record_failure(journal, node, error=error)
    clear_timer(journal, node)
    journal.update(node, status="failed", error=_kept(journal, error), settled_at=journal.now, due_at=None)
    end(journal, "failed", node=node, error=error)


def has_failed_at(nodes: Mapping[str, NodeState], node: str | None) -> bool:
    """Whether a run that ended at a node failed by it, and may be retried from it; an ending is where it had to end."""
    state = None if node is None else nodes.get(node)
    return state is not None and state.status == "failed"


def end(
    journal: Journal,
    status: EndStatus,
    *,
    node: str | None,
    error: Error | None,
    at_once: bool = False,
    details: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """The run is over; what is still active is stopped.

    What is kept for later is dropped, unless a retry may want it.
    """
    is_retryable = has_failed_at(journal.nodes, node)
    for name, state in list(journal.nodes.items()):
        if state.status not in ACTIVE:
            continue
        if state.status == "running":
            journal.effects.append(StopStep(name, state.attempt, at_once))
        clear_timer(journal, name)
        if is_retryable:
            was = Interrupted(state.status, state.due_at, state.until, state.forgiven)
            journal.update(name, status="interrupted", due_at=None, until=False, forgiven=0, was=was)
        else:
            journal.update(name, status="interrupted", settled_at=journal.now, due_at=None)
        journal.record("interrupted", name, attempt=state.attempt or None)
    journal.paused = False
    if not is_retryable:
        drop_early(journal, lambda _: True)
    parked, journal.parked = journal.parked, ()
    for event in parked:
        _tell_dropped(journal, event)
    journal.end(status, node=node, error=None if error is None else error.shortened(MAX_RUN_ERROR))
    if error is not None:
        details = {"error": error.type, "message": error.message}
    journal.record(status, node, details=details)
    journal.effects.append(PublishCompletion(journal.sequence))


def _fits(journal: Journal, node: str, reported: Reported) -> bool:
    """Whether a payload has room in the run's record; where it has none, its node fails."""
    if reported.size + journal.payload_bytes <= MAX_PAYLOAD_BYTES or reported.size <= room(journal, node):
        return True
    message = f"{reported.size} bytes do not fit into the run's record; return a reference to the data instead"
    fail_node(journal, node, error=Error("ResultTooLarge", message))
    return False


def room(journal: Journal, node: str) -> int:
    """The bytes that an event of a node may have.

    What it would have said after a timeout makes room, and what it has said before its route failed.
    """
    state = journal.nodes.get(node)
    return MAX_PAYLOAD_BYTES - journal.payload_bytes + (0 if state is None else _replaceable(state))


def _replaceable(state: NodeState) -> int:
    otherwise, reported = state.otherwise, state.reported
    return (otherwise.size if otherwise is not None else 0) + (reported.size if reported is not None else 0)


def attempt(journal: Journal, node: str, *, number: int) -> None:
    """An attempt of a step begins, or will begin when the run is continued."""
    if journal.paused:
        journal.update(node, status="ready", attempt=number - 1, due_at=None, **_UNRESTARTED)
        return
    journal.update(node, status="running", attempt=number, started_at=journal.now, **_UNRESTARTED)
    journal.record("step_started", node, attempt=number)
    journal.effects.append(RunStep(node, number))


def _settle(journal: Journal, settled: str) -> None:
    """Follows the edges of a settled node: first dies what can no longer be reached, then starts what can.

    So what is dead when a run ends does not depend on which of its nodes ended last.
    """
    reached: dict[str, str] = {}
    pending = deque([settled])
    while pending:
        source = pending.popleft()
        if journal.early:
            drop_early(journal, partial(_is_for, source))
        for edge in journal.graph.outgoing[source]:
            if edge.target in journal.nodes:
                continue
            verdict = judge(journal.graph, journal.nodes, edge.target)
            if verdict is Verdict.START:
                reached.setdefault(edge.target, source)
            elif verdict is Verdict.DEAD:
                journal.put(edge.target, NodeState("dead", settled_at=journal.now))
                journal.record("node_dead", edge.target)
                pending.append(edge.target)
    for target, source in reached.items():
        if not journal.is_live:
            return
        enter(journal, target, entered_from=source if target in journal.graph.exits else None)


def drop_early(journal: Journal, is_dropped: Callable[[EarlyEvent], bool]) -> None:
    """Drops early events that nothing will take any more."""
    dropped = [early for early in journal.early if is_dropped(early)]
    journal.early = tuple(early for early in journal.early if not is_dropped(early))
    for early in dropped:
        _tell_dropped(journal, early)


def _is_for(node: str, early: EarlyEvent) -> bool:
    return early.node == node


def _tell_dropped(journal: Journal, event: EarlyEvent | ParkedEvent) -> None:
    journal.payload_bytes -= event.reported.size
    journal.record("event_dropped", event.node, event=event.reported.event, details={"command": event.command})


def _kept(journal: Journal, error: Error) -> Error:
    """An error as a node keeps it: the more nodes a workflow has, the less."""
    return error.shortened(MAX_NODE_ERROR).within(MAX_ERRORS_BYTES // len(journal.definition.nodes))


def _record_failure(journal: Journal, node: str, *, error: Error) -> None:
    details: dict[str, object] = {"error": error.type, "message": error.message}
    if error.traceback:
        details["traceback"] = error.traceback
    if error.sealed is not None:
        details["sealed"] = msgspec.Raw(error.sealed)
    journal.record("step_failed", node, attempt=journal.nodes[node].attempt, details=details)


def take_up(journal: Journal, node: str, *, idle: timedelta) -> None:
    """A node goes on that the end of its run interrupted, which was over for a time."""
    state = journal.nodes[node]
    # Records of older releases do not say what the node was: a step may run once more.
    was = state.was or Interrupted("running")
    journal.update(node, status=was.status, settled_at=None, until=was.until, forgiven=was.forgiven, was=None)
    match was.status:
        case "waiting":
            journal.record("suspended", node, attempt=state.attempt)
            if was.due_at is not None:
                # Of a timeout the time does not count in which nobody could send an event.
                due_at = was.due_at if was.until else later(was.due_at, idle)
                set_timer(journal, node, kind="wait", due_at=due_at)
        case "retrying":
            _schedule_retry(journal, node, due_at=was.due_at or journal.now)
        case "running":
            restart(journal, node)
        case _:
            attempt(journal, node, number=state.attempt + 1)


def restart(journal: Journal, node: str) -> None:
    """The next attempt of a step begins in place of one that has not failed."""
    state = journal.nodes[node]
    journal.update(node, forgiven=state.forgiven + 1)
    attempt(journal, node, number=state.attempt + 1)
