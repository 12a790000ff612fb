from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hephaestus_stream.cli.options import KafkaOptions
from hephaestus_stream.cli.replay import find_log, replay, report
from hephaestus_stream.errors import EventLogError, UsageError, WorkflowNotFoundError
from hephaestus_stream.eventlog.replay import Replayed, check_log
from workflows.permit import receipt_log

SEVERAL = """
from workflows.permit import receipt_log
from hephaestus_stream.eventlog import EventLog
again = receipt_log
other = EventLog(
    receipt_log.workflow, case="c", activity="a", start="s", initial=lambda row: row, events={}, payload=lambda row: row
)
"""
NOBODY = KafkaOptions(bootstrap="127.0.0.1:1")

REPLAYED = Replayed(
    started=1434,
    completed=1000,
    failed=0,
    cancelled=0,
    waiting=434,
    taken=5000,
    kept=300,
    refused={"unknown_node": 40, "ended": 2},
    dead_letters=0,
    duplicates=0,
    duration=timedelta(seconds=2),
)


def test_a_modules_event_log_is_found_and_that_of_a_package_as_well() -> None:
    assert find_log("workflows.permit") is receipt_log
    assert find_log("workflows") is receipt_log
    assert find_log("workflows.permit:receipt_log") is receipt_log


def test_an_event_log_under_two_names_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_with_two_names.py").write_text(
        "from workflows.permit import receipt_log\nagain = receipt_log\n"
    )
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])

    assert find_log("module_with_two_names") is receipt_log


def test_of_several_event_logs_one_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_with_several_logs.py").write_text(SEVERAL)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])

    with pytest.raises(EventLogError, match="several event logs; write one of module_with_several_logs:receipt_log, "):
        find_log("module_with_several_logs")
    assert find_log("module_with_several_logs:again") is receipt_log
    assert find_log("module_with_several_logs:other") is not receipt_log


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("workflows.order", "workflows.order has no event log: declare one"),
        ("workflows.permit:receipts", "workflows.permit has no event log 'receipts'"),
    ],
)
def test_a_module_without_an_event_log_is_told_how_to_declare_one(reference: str, problem: str) -> None:
    with pytest.raises(EventLogError, match=problem):
        find_log(reference)


def test_a_module_that_is_not_there_is_told() -> None:
    with pytest.raises(WorkflowNotFoundError, match="permits"):
        find_log("workflows.permits")


def test_a_damaged_file_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("case,activity\nc-1,Confirmation of receipt\n")

    # No broker is there; asking for one would be another error.
    with pytest.raises(EventLogError, match="no column 'timestamp'; its first line names case, activity"):
        replay("workflows.permit", file, kafka=NOBODY)


def test_a_bound_that_lets_nothing_through_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-unanswered 0 lets nothing be sent"):
        replay("workflows.permit", tmp_path / "log.csv", max_unanswered=0, kafka=NOBODY)


def test_the_rows_of_a_sound_file_are_counted(tmp_path: Path) -> None:
    columns = "timestamp,case,activity,resource,group,channel,department,deadline"
    rest = "R1,G1,Internet,General,"
    opened, checked = (f"2011-01-01T00:0{minute}:00+01:00,c-1" for minute in (1, 2))
    file = tmp_path / "log.csv"
    file.write_text(f"{columns}\n{opened},Confirmation of receipt,{rest}\n{checked},T99,{rest}\n")

    assert check_log(receipt_log, file) == 2


def test_the_report_tells_what_came_of_the_log() -> None:
    assert report(REPLAYED).plain.splitlines() == [
        "1,434 cases started: 1,000 completed, 434 waiting",
        "5,000 events taken, 300 kept early",
        "42 refused: 40 unknown_node, 2 ended",
        "0 dead letters",
        "6,776 commands answered in 2.0 s, 3,388 a second",
    ]


def test_the_report_tells_of_failures_and_of_a_log_that_had_been_replayed_before() -> None:
    lines = report(
        replace(REPLAYED, failed=3, cancelled=1, waiting=430, refused={}, duplicates=6776)
    ).plain.splitlines()

    assert lines[0] == "1,434 cases started: 1,000 completed, 3 failed, 1 cancelled, 430 waiting"
    assert lines[2] == "0 refused"
    assert lines[4] == "6,776 had been sent before and had no further effect"
