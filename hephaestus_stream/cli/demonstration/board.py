"""What the demo knows of its runs: a fold of their history, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, cast

from hephaestus_stream.core.state import Status
from hephaestus_stream.drawing import PathTaken
from hephaestus_stream.wire.output import HistoryRecord

_QUIET: Final = frozenset({"node_dead", "timer_set"})
_ENDS: Final[frozenset[str]] = frozenset({"completed", "failed", "cancelled"})


@dataclass(slots=True)
class RunOnBoard:
    """One run, as far as its history has been read.

    Attributes:
        workflow: The stored name.
        key: The full key.
        history: Its events in order.
    """

    workflow: str
    key: str
    history: list[HistoryRecord] = field(default_factory=list[HistoryRecord])

    @property
    def end(self) -> HistoryRecord | None:
        """The event that ended it; None while it lives."""
        last = self.history[-1] if self.history else None
        return last if last is not None and last.type in _ENDS else None

    @property
    def status(self) -> Status:
        """As everywhere; `pending` until its first event has been read."""
        if self.end is not None:
            return cast(Literal["completed", "failed", "cancelled"], self.end.type)
        if not self.history:
            return "pending"
        active = {self.path.nodes[node].status for node in self.active}
        return "waiting" if active == {"waiting"} else "running"

    @property
    def path(self) -> PathTaken:
        """The path that it has taken."""
        return PathTaken.from_history(self.history)

    @property
    def active(self) -> list[str]:
        """The nodes at which it stands."""
        path = self.path
        return [node for node in path.nodes if path.progress(node) == "active"]

    @property
    def duration(self) -> timedelta:
        """From its first event to its last."""
        return self.history[-1].at - self.history[0].at if self.history else timedelta()


class Board:
    """All runs of the demo, in the order of their scenes.

    Attributes:
        runs: The runs by key.
        events: How many events have been read.
        last: The latest of them that are worth a look.
    """

    def __init__(self, runs: Iterable[tuple[str, str]]) -> None:
        self.runs = {key: RunOnBoard(workflow, key) for workflow, key in runs}
        self.events = 0
        self.last: list[HistoryRecord] = []

    def add(self, record: HistoryRecord) -> None:
        """Takes in one event; those of other runs are passed over."""
        run = self.runs.get(record.key)
        if run is None:
            return
        run.history.append(record)
        self.events += 1
        if record.type not in _QUIET:
            self.last = [*self.last[-7:], record]

    @property
    def is_over(self) -> bool:
        """Whether every run has ended."""
        return all(run.end is not None for run in self.runs.values())

    def statuses(self, workflow: str | None = None) -> Counter[str]:
        """How many runs, of one workflow or of all, have each status."""
        return Counter(run.status for run in self.runs.values() if workflow in {None, run.workflow})
