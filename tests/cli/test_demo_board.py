"""What the demo shows of its runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from hephaestus_stream.cli.demonstration.board import Board
from hephaestus_stream.cli.demonstration.view import document, history_table, runs_table
from hephaestus_stream.wire.output import HistoryRecord

BEGINNING = datetime(2026, 11, 23, 9, tzinfo=UTC)


def event(
    sequence: int, kind: str, node: str | None = None, *, event: str | None = None, **details: str
) -> HistoryRecord:
    return HistoryRecord(
        workflow="GreetingFlow",
        version=3,
        key="guest::ada",
        run="r",
        sequence=sequence,
        at=BEGINNING + timedelta(seconds=sequence - 1),
        type=kind,
        node=node,
        event=event,
        attempt=None,
        details=dict(details),
    )


def board_after(*events: HistoryRecord) -> Board:
    board = Board([("GreetingFlow", "guest::ada"), ("GreetingFlow", "guest::bea")])
    for each in events:
        board.add(each)
    return board


@pytest.mark.parity(17)
def test_a_run_is_pending_running_waiting_and_then_ended() -> None:
    events = (
        event(1, "started"),
        event(2, "step_started", "greet"),
        event(3, "step_completed", "greet", event="greeted"),
        event(4, "suspended", "reply"),
        event(5, "cancelled"),
    )
    statuses = [board_after(*events[:count]).runs["guest::ada"].status for count in range(len(events) + 1)]
    assert statuses == ["pending", "running", "running", "running", "waiting", "cancelled"]


def test_the_demo_is_over_when_the_last_run_has_ended() -> None:
    board = Board([("GreetingFlow", "guest::ada")])
    assert not board.is_over
    board.add(event(1, "started"))
    assert not board.is_over
    board.add(event(2, "completed", "done"))
    assert board.is_over


def test_runs_of_others_are_passed_over() -> None:
    board = Board([("GreetingFlow", "guest::bea")])
    board.add(event(1, "started"))
    assert board.events == 0


def test_the_summary_tells_status_ending_and_duration() -> None:
    board = board_after(event(1, "started"), event(4, "completed", "done"))
    assert document(board) == {
        "runs": [
            {
                "workflow": "GreetingFlow",
                "key": "guest::ada",
                "status": "completed",
                "ended_at": "done",
                "events": 2,
                "duration_seconds": 3.0,
            },
            {
                "workflow": "GreetingFlow",
                "key": "guest::bea",
                "status": "pending",
                "ended_at": None,
                "events": 0,
                "duration_seconds": 0.0,
            },
        ],
        "events": 2,
        "statuses": {"completed": 1, "pending": 1},
    }


def test_the_tables_fit_a_narrow_terminal() -> None:
    board = board_after(
        event(1, "started"),
        event(2, "retry_scheduled", "greet", due_at="2026-11-23T09:00:02+00:00"),
        event(3, "step_failed", "greet", message="the line is bad " * 10),
    )
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(runs_table(board), history_table(board.runs["guest::ada"]))
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "guest::ada" in shown
    assert "due in 1.000 s" in shown
    assert "the line is bad" in shown
    assert "…" in shown
