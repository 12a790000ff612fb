"""How the demo looks: what happens now, and in the end what has happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hephaestus_stream.cli.demonstration.board import Board, RunOnBoard
from hephaestus_stream.drawing.label import printable
from hephaestus_stream.wire.output import HistoryRecord

_STATUS_STYLES: Final[Mapping[str, str]] = {
    "pending": "dim",
    "running": "yellow",
    "waiting": "blue",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
}

_EVENT_STYLES: Final[Mapping[str, str]] = {
    "started": "bold",
    "step_completed": "green",
    "completed": "bold green",
    "resumed": "cyan",
    "event_kept": "cyan",
    "suspended": "blue",
    "timer_set": "blue",
    "timer_fired": "blue",
    "step_failed": "red",
    "failed": "bold red",
    "retry_scheduled": "yellow",
    "interrupted": "magenta",
    "cancelled": "bold magenta",
    "node_dead": "dim",
}

_BAR_WIDTH: Final = 24
_HIDDEN: Final = frozenset({"command", "traceback"})


def live(board: Board) -> RenderableType:
    """What happens now: how far the runs of each workflow are, and the latest events."""
    return Group(_progress(board), Text(), *(_event_line(record) for record in board.last))


def _progress(board: Board) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for workflow in dict.fromkeys(run.workflow for run in board.runs.values()):
        statuses = board.statuses(workflow)
        ended = statuses["completed"] + statuses["failed"] + statuses["cancelled"]
        bar = ProgressBar(total=statuses.total(), completed=ended, width=_BAR_WIDTH)
        counts = Text("  ").join(
            Text(f"{statuses[status]} {status}", style) for status, style in _STATUS_STYLES.items() if statuses[status]
        )
        table.add_row(workflow, bar, counts)
    return table


def _event_line(record: HistoryRecord) -> Text:
    line = Text("  ").append(f"{record.key:<22} ", "dim").append(f"{record.type:<16} ", _style(record))
    return line.append(_place(record))


def runs_table(board: Board) -> Table:
    """All runs with what became of them."""
    table = _table("Runs")
    table.add_column("key", no_wrap=True)
    table.add_column("workflow", style="dim", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("ended at", no_wrap=True)
    table.add_column("events", justify="right", style="dim", no_wrap=True)
    table.add_column("duration", justify="right", no_wrap=True)
    for run in board.runs.values():
        status = Text(run.status, _STATUS_STYLES[run.status])
        where = (run.end.node or "") if run.end is not None else ", ".join(run.active)
        table.add_row(run.key, run.workflow, status, where, str(len(run.history)), _seconds(run.duration))
    return table


def history_table(run: RunOnBoard) -> Table:
    """All that happened to one run."""
    table = _table(f"History of {run.key}")
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("after", justify="right", style="dim", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("where", no_wrap=True)
    table.add_column("", style="dim")  # the one that may be cut
    for record in run.history:
        what = Text(record.type, _style(record))
        after = _seconds(record.at - run.history[0].at)
        table.add_row(str(record.sequence), after, what, _place(record), _details(record))
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_style="bold", title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)


def document(board: Board) -> dict[str, object]:
    """The same for programs."""
    return {
        "runs": [
            {
                "workflow": run.workflow,
                "key": run.key,
                "status": run.status,
                "ended_at": run.end.node if run.end is not None else None,
                "events": len(run.history),
                "duration_seconds": round(run.duration.total_seconds(), 3),
            }
            for run in board.runs.values()
        ],
        "events": board.events,
        "statuses": dict(board.statuses()),
    }


def _style(record: HistoryRecord) -> str:
    return _EVENT_STYLES.get(record.type, "")


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.3f} s"


def _place(record: HistoryRecord) -> str:
    event = f".{record.event}" if record.event else ""
    return f"{record.node or ''}{event}"


def _details(record: HistoryRecord) -> Text:
    """What is worth a glance: not the ids of commands, and no tracebacks."""
    shown = [_detail(name, value, record) for name, value in record.details.items() if name not in _HIDDEN]
    attempt = [f"attempt {record.attempt}"] if record.attempt is not None and record.attempt > 1 else []
    return Text(", ".join([*attempt, *shown]), no_wrap=True, overflow="ellipsis")


def _detail(name: str, value: object, record: HistoryRecord) -> str:
    match name, value:
        case "due_at", str():
            wait = datetime.fromisoformat(value) - record.at
            return f"due in {wait.days} days" if wait.days else f"due in {_seconds(wait)}"
        case (("error" | "message"), str()):
            return printable(value)
        case _:
            return printable(f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
