"""What is remembered of the completions that were read, without Kafka."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hephaestus_stream.client import scan as scans
from hephaestus_stream.client.scan import ALWAYS, CLOCKS_SECONDS, CompletionWait, Scan, Seen
from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.wire.output_bytes import encode_completion

KEY = b"orderid::abc123"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seen(
    offset: int,
    run: str,
    *,
    workflow: str = "OrderFlow",
    status: EndStatus = "completed",
    key: bytes = KEY,
    at: float = 0,
) -> Seen:
    value = encode_completion(
        workflow=workflow,
        version=1,
        key=key.decode(),
        run=run,
        sequence=3,
        at=NOW,
        status=status,
        started_at=NOW,
        results={},
    )
    return Seen(offset, key, value, at)


def wait_for(run: str | None) -> CompletionWait:
    return CompletionWait(KEY, "OrderFlow", run, 0, ALWAYS)


def scan_of(*records: Seen, end: int) -> Scan:
    scan = Scan()
    scan.begin(0, since=ALWAYS, end=end)
    for record in records:
        scan.see(record)
    return scan


def test_a_completed_run_is_answered_before_the_end_is_reached() -> None:
    scan = scan_of(seen(0, "run-1"), end=10)
    wait = wait_for("run-1")
    scan.add(wait)
    assert wait.future.result(0).run == "run-1"
    assert not scan.is_caught_up


def test_a_run_that_was_found_may_be_of_another_workflow() -> None:
    scan = scan_of(seen(0, "run-1", workflow="Refund"), end=1)
    of_the_run, of_the_workflow = wait_for("run-1"), wait_for(None)
    scan.add(of_the_run)
    scan.add(of_the_workflow)
    assert of_the_run.future.result(0).workflow == "Refund"
    assert not of_the_workflow.future.done()


def test_a_failed_run_is_answered_only_when_nothing_can_follow() -> None:
    scan = scan_of(seen(0, "run-1", status="failed"), end=10)
    wait = wait_for("run-1")
    scan.add(wait)
    assert not wait.future.done()
    scan.reach_end()
    assert wait.future.result(0).status == "failed"


def test_a_log_that_ends_in_a_record_needs_no_further_sign_of_its_end() -> None:
    scan = scan_of(end=2)
    wait = wait_for(None)
    scan.add(wait)
    scan.see(seen(0, "run-1"))
    assert not wait.future.done()
    scan.see(seen(1, "run-2"))
    assert wait.future.result(0).run == "run-2"


def test_a_record_that_is_read_twice_counts_once() -> None:
    scan = scan_of(seen(0, "run-1", status="failed"), seen(1, "run-1"), end=9)
    scan.see(seen(0, "run-1", status="failed"))
    assert scan.position == 2
    wait = wait_for("run-1")
    scan.add(wait)
    assert wait.future.result(0).status == "completed"


def test_a_record_that_is_no_completion_harms_nobody() -> None:
    scan = scan_of(end=0)
    wait = wait_for("run-1")
    scan.add(wait)
    scan.see(Seen(0, KEY, b"hello", 0))
    scan.see(seen(1, "run-1"))
    assert wait.future.result(0).run == "run-1"


def test_what_is_kept_has_a_bound_and_older_runs_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "MOST_KEPT_RECORDS", 2)
    scan = scan_of(*(seen(number, f"run-{number}", at=1_000 + number) for number in range(5)), end=5)
    forgotten, kept = wait_for("run-2"), wait_for("run-3")
    scan.add(forgotten)
    scan.add(kept)
    assert kept.future.done()
    assert not forgotten.future.done()
    assert scan.since == 1_002 + CLOCKS_SECONDS


def test_a_wait_that_was_given_up_is_forgotten() -> None:
    scan = scan_of(end=0)
    wait = wait_for("run-1")
    scan.add(wait)
    assert scan.is_awaited
    wait.future.cancel()
    assert not scan.is_awaited
