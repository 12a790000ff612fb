"""The simulators that the current test has used, for the report of its failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from hephaestus_stream.testing.run import SimulatedRun
from hephaestus_stream.testing.user_lines import user_lines
from hephaestus_stream.wire.output import HistoryRecord

_WIDTH: Final = 120
_LAST_EVENTS: Final = 8
_MOST_RUNS: Final = 5
_MOST_MESSAGE: Final = 200


class HasRuns(Protocol):
    """A simulator, as far as a report goes."""

    def runs(self) -> Sequence[SimulatedRun]:
        """Its runs, the one that a verb was last called for at the end."""
        ...


# In the order of their use; one that nobody holds any more can have no part in a failure.
_used: Final[WeakKeyDictionary[HasRuns, None]] = WeakKeyDictionary()


def remember(simulator: HasRuns) -> None:
    """The current test has used a simulator."""
    _used[simulator] = None


def forget_all() -> None:
    """A new test begins."""
    _used.clear()


def sections() -> Iterator[tuple[str, str]]:
    """Title and text of each run of the simulators in use, the latest runs of each."""
    for simulator in list(_used):
        for run in simulator.runs()[-_MOST_RUNS:]:
            yield f"hephaestus: {run.title}", _told(run)


def _told(run: SimulatedRun) -> str:
    error = [] if run.error is None else ["", run.error]
    error += _where_it_failed(run)
    events = ["", "last events:", *(f"  {_line(event)}" for event in run.history[-_LAST_EVENTS:])]
    return "\n".join([run.drawn(width=_WIDTH), *error, *events])


def _where_it_failed(run: SimulatedRun) -> list[str]:
    """The user's lines of the last attempt that failed, unless its node did better later."""
    failures = [event for event in run.history if event.type == "step_failed" and event.node not in run.results]
    if not failures:
        return []
    lines = user_lines(str(failures[-1].details.get("traceback", "")))
    return ["", f"{failures[-1].node} failed in:", *lines] if lines else []


def _line(event: HistoryRecord) -> str:
    """One event as people read it: when, what, where, and the details that are short."""
    where = ".".join(name for name in (event.node, event.event) if name is not None)
    which = "" if event.attempt is None else f" (attempt {event.attempt})"
    details = "; ".join(f"{name} {value}" for name, value in event.details.items() if name != "traceback")
    told = details if len(details) <= _MOST_MESSAGE else f"{details[:_MOST_MESSAGE]}…"
    return f"{_instant(event.at)} {event.type}{' ' if where else ''}{where}{which}{': ' if told else ''}{told}"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
