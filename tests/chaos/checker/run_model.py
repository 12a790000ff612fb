"""A second model of a run: it reads a history and says what in it cannot have happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tests.chaos.checker.documents import Event
from tests.chaos.checker.graph import Ended, Graph

ACTIVE: Final = ("running", "failing", "retrying", "waiting", "choosing")
ENDINGS: Final = ("completed", "failed", "cancelled")
# With each of these something new comes in: what followed from the last thing must have been told before.
_INPUTS: Final = frozenset(
    {
        "step_completed",
        "step_failed",
        "step_restarted",
        "step_held",
        "suspended",
        "event_kept",
        "event_refused",
        "timer_fired",
        "paused",
        "continued",
    }
    | {"start_refused", "outcome_ignored"}
)


@dataclass
class NodeModel:
    """What is known of a node.

    Attributes:
        status: As the engine's record names it, and `failing` between a failed attempt and what follows from it.
        attempt: The last one.
        due_at: Of its timer.
        went_on: The event that made it go on and must be told next; empty for the outcome of a timer.
        fired: Whether its timer has fired and the consequence is still to be told.
        was: What it was when the end of the run interrupted it.
        again: Whether it must go on, since the run was retried: to wait, or with its next attempt.
    """

    status: str
    attempt: int = 1
    event: str | None = None
    label: str | None = None
    due_at: datetime | None = None
    went_on: str | None = None
    fired: bool = False
    was: str | None = None
    again: bool = False


@dataclass
class Timer:
    """A timer of a run, from `timer_set` to `timer_fired`."""

    node: str
    attempt: int
    kind: str
    set_at: datetime
    due_at: datetime
    fired_at: list[datetime] = field(default_factory=list[datetime])


@dataclass
class Kept:
    """An early event."""

    node: str
    event: str
    command: str


class RunModel:
    """Takes the events of one run in their order.

    Attributes:
        nodes: The nodes that have been reached, or died.
        timers: All timers that were ever set.
        kept: The early events that are kept now.
        status: How the run ended; None while it is live.
        paused: Whether nothing new may begin.
        wrong: What cannot have happened.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: dict[str, NodeModel] = {}
        self.timers: list[Timer] = []
        self.kept: list[Kept] = []
        self.status: str | None = None
        self.paused = False
        self.wrong: list[str] = []
        self._ending = False
        self._retries = 0
        self._takers: dict[str, Callable[[Event], None]] = {
            "started": self._started,
            "step_started": self._step_started,
            "step_restarted": self._step_restarted,
            "step_held": self._step_restarted,
            "suspended": self._suspended,
            "resumed": self._resumed,
            "event_kept": self._event_kept,
            "event_dropped": self._event_dropped,
            "event_refused": self._event_refused,
            "timer_set": self._timer_set,
            "timer_fired": self._timer_fired,
            "step_completed": self._step_completed,
            "step_failed": self._step_failed,
            "retry_scheduled": self._retry_scheduled,
            "routed": self._routed,
            "node_dead": self._node_dead,
            "interrupted": self._interrupted,
            "retried": self._retried,
            "paused": self._paused,
            "continued": self._paused,
            "skipped": self._skipped,
            "cancelled": self._cancelled,
            "completed": self._ended_at,
            "failed": self._ended_at,
            "start_refused": lambda _: None,
            "outcome_ignored": lambda _: None,
        }

    def take(self, event: Event) -> None:
        """Judges one event, and goes on with it as it stands."""
        if self.status is not None and event.type != "retried":
            self._require(False, event, f"comes after the run is {self.status}")
        if self._comes_in(event):
            self._require(not self._pending(), event, f"comes before what must follow first: {self._pending()}")
        taker = self._takers.get(event.type)
        if taker is None:
            self._require(False, event, "is nothing that may happen here")
        else:
            taker(event)

    def finish(self) -> None:
        """Judges whether what must follow has followed."""
        if self.status is None and (pending := self._pending()):
            self.wrong.append(f"the history stops before what must follow: {pending}")
        left = [name for name in self.graph.nodes if name not in self.nodes]
        ending = self.ended_at
        if self.status == "completed" and ending and not self.graph.nodes[ending].interrupts and left:
            self.wrong.append(f"completed at {ending} while {', '.join(left)} had neither started nor died")

    @property
    def derived_status(self) -> str:
        """The run's status, as its record must have it."""
        if self.status is not None:
            return self.status
        return "waiting" if all(node.status not in ACTIVE[:3] for node in self.nodes.values()) else "running"

    @property
    def pending_timers(self) -> list[Timer]:
        """The timers that are still to fire."""
        if self.paused:
            return []
        last = {(timer.node, timer.attempt, timer.kind): timer for timer in self.timers}
        return [
            timer
            for timer in last.values()
            if (node := self.nodes[timer.node]).due_at == timer.due_at
            and (node.status, node.attempt, timer.kind) in {("waiting", timer.attempt, "wait"), _retry_of(timer)}
        ]

    @property
    def ended_at(self) -> str | None:
        """The node at which the run ended."""
        reached = (name for name, node in self.nodes.items() if self._is_ending(name) and node.status == "completed")
        return next(reached, None)

    def _started(self, event: Event) -> None:
        self._require(event.sequence == 1, event, "is not the first event")

    def _step_started(self, event: Event) -> None:
        name = event.node or ""
        node = self.nodes.get(name)
        if node is None:
            self._require(not self.paused, event, "starts while the run is paused")
            self._require(
                self._may_start(name), event, f"starts a node that is {self._verdict(name)}: {self._arrows()}"
            )
            self._require(event.attempt == 1, event, "is not the first attempt")
            self._require(not self._is_ending(name), event, "starts an ending as a step")
            self.nodes[name] = NodeModel("running")
            return
        self._require(not self.paused, event, "begins while the run is paused")
        self._require(
            (node.again or (node.status == "retrying" and node.fired)) and event.attempt == node.attempt + 1,
            event,
            f"begins an attempt of a node that is {node.status} with attempt {node.attempt}",
        )
        node.status, node.attempt, node.fired, node.again = "running", event.attempt or 0, False, False

    def _step_restarted(self, event: Event) -> None:
        node = self._node(event)
        self._require(
            (node.status, node.attempt) == ("running", event.attempt), event, f"but the node is {node.status}"
        )

    def _suspended(self, event: Event) -> None:
        node = self._node(event)
        self._require((node.status, node.attempt) == ("running", event.attempt), event, f"but it is {node.status}")
        node.status, node.again = "waiting", False

    def _resumed(self, event: Event) -> None:
        node = self._node(event)
        self._require(node.status == "waiting" and node.went_on is None, event, f"but it is {node.status}")
        external = self.graph.nodes[event.node or ""].external
        self._require(event.event in external, event, "is no event that may come from outside")
        if event.details.get("early"):
            first = next((kept for kept in self.kept if kept.node == event.node), None)
            self._require(
                first is not None and (first.command, first.event) == (event.command, event.event),
                event,
                f"is not the first event that was kept for the node, which is {first}",
            )
            self.kept = [kept for kept in self.kept if kept is not first]
        node.went_on, node.due_at = event.event, None

    def _event_kept(self, event: Event) -> None:
        node = self.nodes.get(event.node or "")
        early = node is None or node.status in {"running", "retrying"}
        self._require(early, event, f"but the node is {node.status if node else ''}")
        self._require(not event.details.get("parked"), event, "though the workers have the workflow")
        self.kept.append(Kept(event.node or "", event.event or "", event.command or ""))

    def _event_dropped(self, event: Event) -> None:
        kept = [each for each in self.kept if each.command == event.command]
        self._require(len(kept) == 1, event, "was not kept")
        node = self.nodes.get(event.node or "")
        if node is None or node.status in ACTIVE:
            self._ending = True
        self.kept = [each for each in self.kept if each.command != event.command]

    def _event_refused(self, event: Event) -> None:
        node = self.nodes.get(event.node or "")
        known = self.graph.nodes.get(event.node or "")
        external = [name for name, each in self.graph.nodes.items() if event.event in each.external]
        fits = {
            "settled": node is not None and node.status not in ACTIVE,
            "unknown_node": known is None,
            "unknown_event": known is not None and event.event not in known.events if event.node else not external,
            "not_external": known is None or event.event not in known.external,
            "ambiguous": event.node is None and len(external) > 1,
        }
        reason = str(event.details.get("reason"))
        self._require(fits.get(reason, True), event, f"but the node is {node.status if node else 'unreached'}")

    def _timer_set(self, event: Event) -> None:
        node = self._node(event)
        kind, due_at = str(event.details["timer"]), datetime.fromisoformat(str(event.details["due_at"]))
        status = {"wait": "waiting", "retry": "retrying"}.get(kind)
        self._require(node.status == status, event, f"but the node is {node.status}")
        node.due_at = due_at
        self.timers.append(Timer(event.node or "", event.attempt or 0, kind, event.at, due_at))

    def _timer_fired(self, event: Event) -> None:
        node, kind = self._node(event), event.details["timer"]
        found = [
            each for each in self.timers if (each.node, each.attempt, each.kind) == (event.node, event.attempt, kind)
        ]
        # One that a failure interrupted is set again when the run is retried.
        self._require(0 < len(found) <= 1 + self._retries, event, f"fires a timer that was set {len(found)} times")
        self._require(not self.paused, event, "fires while the run is paused")
        for timer in found[-1:]:
            timer.fired_at.append(event.at)
        status = "waiting" if kind == "wait" else "retrying"
        awaited = node.status == status and node.due_at is not None
        self._require(awaited, event, f"but the node is {node.status} and due at {node.due_at}")
        node.due_at, node.fired = None, True

    def _step_completed(self, event: Event) -> None:
        node, known = self._node(event), self.graph.nodes[event.node or ""]
        self._require(event.event in known.events, event, "is no event of the node")
        self._require(event.attempt == node.attempt, event, f"but its attempt is {node.attempt}")
        expected = {
            "running": True,
            "waiting": node.fired or (node.went_on is not None and node.went_on == event.event),
        }
        self._require(expected.get(node.status, False), event, f"but the node is {node.status}")
        routed = event.event in known.routes
        node.status, node.event = "choosing" if routed else "completed", event.event
        node.due_at, node.fired, node.went_on = None, False, None

    def _step_failed(self, event: Event) -> None:
        node = self._node(event)
        may = node.status in {"running", "choosing"} or (node.status == "waiting" and self._goes_on(node))
        self._require(may and event.attempt == node.attempt, event, f"but the node is {node.status}")
        node.status, node.fired, node.went_on, node.due_at = "failing", False, None, None

    def _retry_scheduled(self, event: Event) -> None:
        node = self._node(event)
        # A route that failed is not asked again.
        fits = node.status == "failing" and node.event is None and event.attempt == node.attempt + 1
        self._require(fits, event, f"but the node is {node.status} with attempt {node.attempt}")
        most = self.graph.nodes[event.node or ""].attempts * (1 + self._retries)
        self._require((event.attempt or 0) <= most, event, f"but the node has {most} attempts")
        node.status = "retrying"

    def _routed(self, event: Event) -> None:
        node = self._node(event)
        labels = self.graph.nodes[event.node or ""].routes.get(event.event or "", ())
        label = event.details["label"]
        self._require(node.status == "choosing" and event.event == node.event, event, f"but it is {node.status}")
        self._require(label in labels, event, f"is none of the labels {labels}")
        node.status, node.label = "completed", label

    def _node_dead(self, event: Event) -> None:
        name = event.node or ""
        verdict = "reached" if name in self.nodes else self._verdict(name)
        self._require(verdict == "dead", event, f"but the node is {verdict}: {self._arrows()}")
        self.nodes[name] = NodeModel("dead")

    def _interrupted(self, event: Event) -> None:
        node = self._node(event)
        self._require(node.status in ACTIVE, event, f"but the node is {node.status}")
        node.was, node.status, node.due_at, self._ending = node.status, "interrupted", None, True

    def _retried(self, event: Event) -> None:
        failed = self._node(event)
        self._require((self.status, failed.status) == ("failed", "failed"), event, f"but it is {self.status}")
        self.status = None
        self._retries += 1
        for node in self.nodes.values():
            if node.status == "interrupted":
                # What is told next of it says that it goes on: it waits, its retry is planned, or an attempt begins.
                node.status = "running" if node.was == "waiting" else "failing"
                node.again, node.was = node.was != "retrying", None
        failed.status, failed.again = ("choosing", False) if failed.event is not None else ("failing", True)

    def _paused(self, event: Event) -> None:
        self._require(self.paused == (event.type == "continued"), event, f"but paused is {self.paused}")
        self.paused = event.type == "paused"

    def _skipped(self, event: Event) -> None:
        name = event.node or ""
        if name not in self.nodes:
            self._require(self.paused and self._may_start(name), event, "is of a node that has not been reached")
            self.nodes[name] = NodeModel("running", attempt=0)
        node = self.nodes[name]
        self._require(node.status in ACTIVE, event, f"but the node is {node.status}")
        node.status, node.event, node.again, node.fired, node.due_at = "running", None, False, False, None

    def _cancelled(self, event: Event) -> None:
        self._end(event)

    def _ended_at(self, event: Event) -> None:
        name = event.node or ""
        known = self.graph.nodes.get(name)
        node = self.nodes.get(name)
        if known is not None and known.ending:
            self._require(known.failure == (event.type == "failed"), event, "is not what the ending says")
            self._require(node is None and self._may_start(name), event, f"is {self._verdict(name)}: {self._arrows()}")
            interrupted = [each for each, model in self.nodes.items() if model.status == "interrupted"]
            self._require(known.interrupts or not interrupted, event, f"has interrupted {interrupted}")
            self.nodes[name] = NodeModel("completed")
        else:
            failing = event.type == "failed" and node is not None and node.status == "failing"
            self._require(failing, event, f"but the node is {node.status if node else 'unreached'}")
            if node is not None:
                node.status = "failed"
        self._end(event)

    def _end(self, event: Event) -> None:
        active = [name for name, node in self.nodes.items() if node.status in ACTIVE]
        self._require(not active, event, f"leaves {active} active")
        # A failed run that may be retried keeps what came early.
        may_be_retried = any(node.status == "failed" for node in self.nodes.values())
        self._require(may_be_retried or not self.kept, event, f"leaves {self.kept} kept")
        self.status, self._ending, self.paused = event.type, False, False

    def _pending(self) -> list[str]:
        """What must follow at once from what has been told."""
        if self.status is not None or not self.nodes:
            return []
        if self._ending:
            return ["the end of the run"]
        unfinished = [
            f"{name} ({node.status}) goes on"
            for name, node in self.nodes.items()
            if node.status in {"failing", "choosing"}
            or node.again
            or self._goes_on(node)
            or self._takes_kept(name, node)
        ]
        settled = [
            f"{name} {verdict}"
            for name in self.graph.nodes
            if name not in self.nodes
            and (verdict := self._verdict(name)) != "open"
            and name != self.graph.start
            and not (self.paused and verdict == "start" and not self._is_ending(name))
        ]
        return unfinished + settled

    def _comes_in(self, event: Event) -> bool:
        """Whether an event is the first that follows from an input, as far as it can be told."""
        if event.type == "resumed":
            return not event.details.get("early")
        node = self.nodes.get(event.node or "")
        if event.type == "suspended" and node is not None and node.again:
            return False
        if event.type == "step_failed" and node is not None and node.status == "choosing":
            return False  # its route has failed
        return event.type in _INPUTS and (node is None or not self._goes_on(node))

    def _takes_kept(self, name: str, node: NodeModel) -> bool:
        return node.status == "waiting" and node.went_on is None and any(kept.node == name for kept in self.kept)

    def _goes_on(self, node: NodeModel) -> bool:
        return node.fired or node.went_on is not None

    def _may_start(self, name: str) -> bool:
        if name == self.graph.start:
            return not self.nodes
        return name in self.graph.nodes and self._verdict(name) == "start"

    def _verdict(self, name: str) -> str:
        return self.graph.verdict(name, self._ended_nodes()) if name in self.graph.nodes else "unknown"

    def _ended_nodes(self) -> dict[str, Ended]:
        over = {name: node for name, node in self.nodes.items() if node.status not in ACTIVE}
        return {
            name: Ended(node.event, node.label) if node.status == "completed" else Ended(None, None)
            for name, node in over.items()
        }

    def _arrows(self) -> str:
        return ", ".join(f"{name} {node.status} {node.event or ''}".strip() for name, node in self.nodes.items())

    def _node(self, event: Event) -> NodeModel:
        node = self.nodes.get(event.node or "")
        if node is None:
            self._require(False, event, "is of a node that was never reached")
            node = NodeModel("unreached", attempt=event.attempt or 0)
            self.nodes[event.node or ""] = node
        return node

    def _is_ending(self, name: str) -> bool:
        known = self.graph.nodes.get(name)
        return known is not None and known.ending

    def _require(self, holds: bool, event: Event, otherwise: str) -> None:  # noqa: FBT001 - a condition
        if not holds:
            self.wrong.append(f"{event} {otherwise}")


def _retry_of(timer: Timer) -> tuple[str, int, str]:
    return ("retrying", timer.attempt, "retry")
