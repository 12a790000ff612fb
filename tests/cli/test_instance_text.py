"""Instances and histories as a terminal gets them: neither markup nor control is obeyed that others wrote."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import JsonValue
from rich.console import RenderableType

from hephaestus_stream.cli.failure import tell
from hephaestus_stream.cli.instance_text import history_text, instance_text, list_text, short
from hephaestus_stream.cli.output import show
from hephaestus_stream.client.snapshot import InstanceSnapshot
from hephaestus_stream.wire.instance import InstanceSummary, NodeView
from hephaestus_stream.wire.output import HistoryRecord

AT = datetime(2026, 11, 1, tzinfo=UTC)
ODD = "[/b]:cat:"
COMMON = {"workflow": "Order", "version": 1, "key": f"order::{ODD}", "run": ODD, "started_at": AT, "updated_at": AT}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def printed(shown: RenderableType, capsys: pytest.CaptureFixture[str]) -> str:
    show(shown, document=None, output="text")
    return capsys.readouterr().out


def test_brackets_in_what_others_wrote_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    summary = InstanceSummary.model_validate({**COMMON, "status": "waiting", "waiting_at": [ODD]})
    assert printed(list_text([summary], more=False), capsys).count(ODD) == 2
    snapshot = InstanceSnapshot.model_validate(
        {
            **COMMON,
            "status": "failed",
            "tags": [ODD],
            "input": ODD,
            "error": {"type": ODD, "message": ODD},
            "nodes": {ODD: NodeView(status="failed", attempt=1)},
            "sequence": 1,
            "partition": 0,
            "position": 0,
        }
    )
    assert printed(instance_text(snapshot), capsys).count(ODD) == 7
    record = HistoryRecord.model_validate(
        {
            "schema": 1,
            "workflow": "Order",
            "version": 1,
            "key": "order::1",
            "run": "1",
            "sequence": 1,
            "at": AT,
            "type": "cancelled",
            "node": ODD,
            "details": {"reason": ODD},
        }
    )
    assert printed(history_text([record]), capsys).count(ODD) == 2


@pytest.mark.parametrize("odd", ["\x1b[2J", "a\nb", "\u202eb", "\x00"])
def test_a_terminal_is_told_nothing_by_what_others_wrote(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    values: list[JsonValue] = [odd, [odd], {"type": "E", "message": odd}]
    for value in values:
        assert short(value).isprintable()
    tell(f"first\nthen {odd}")
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())


def test_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS")
    summary = InstanceSummary.model_validate({**COMMON, "key": f"order::{'long' * 60}", "status": "running"})
    assert len(printed(list_text([summary], more=False), capsys).splitlines()) == 2
