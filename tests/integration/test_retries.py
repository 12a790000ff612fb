"""Retries on a real Kafka: a delay outlives its worker, and the last error is told to everyone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hephaestus_stream.wire.request import start_command
from tests.integration.checker import Document, Topics, check_everything
from tests.integration.retry_flows import POLICY_DELAY, GivingUp, Knocking, Visit
from tests.integration.workers import Publisher, Workers

pytestmark = pytest.mark.parity(10)

FLOWS = "tests.integration.retry_flows"
# Over before another worker takes over, and after it.
DELAYS = {"soon": timedelta(seconds=1), "late": timedelta(seconds=12), "policy": POLICY_DELAY}


def at(event: Document) -> datetime:
    return datetime.fromisoformat(event["at"])


def only(history: list[Document], type_: str, *, attempt: int) -> Document:
    [event] = [each for each in history if (each["type"], each["attempt"]) == (type_, attempt)]
    return event


@pytest.mark.parity(23, 26)
def test_a_retry_comes_after_its_delay_and_once_though_its_worker_was_killed_meanwhile(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    first = workers.started(module=FLOWS)
    starts = {
        name: start_command(
            Knocking, name, Visit(asks=None if name == "policy" else delay.total_seconds()), command_id=f"run-{name}"
        )
        for name, delay in DELAYS.items()
    }
    publisher.send(starts.values())
    workers.until(
        lambda: sum(each["type"] == "retry_scheduled" for each in topics.documents("history")) == len(starts),
        of=[first],
    )
    first.kill()

    second = workers.started(module=FLOWS)
    workers.until(lambda: len(topics.records("completions")) == len(starts), of=[second])

    assert second.stop() == 0
    histories = check_everything(topics, runs={start.id for start in starts.values()})
    for name, start in starts.items():
        history = histories[start.id]
        failed, scheduled = only(history, "step_failed", attempt=1), only(history, "retry_scheduled", attempt=2)
        due_at = datetime.fromisoformat(scheduled["details"]["due_at"])
        assert due_at - at(failed) == DELAYS[name]
        assert at(only(history, "timer_fired", attempt=1)) >= due_at
        assert at(only(history, "step_started", attempt=2)) >= due_at
    assert sorted(workers.executed("knocked")) == sorted(
        (f"{start.key}/{start.id}/knock", attempt, worker.pid)
        for start in starts.values()
        for attempt, worker in ((1, first), (2, second))
    )


def test_the_last_error_of_a_step_without_attempts_is_told_in_history_and_completion(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started(module=FLOWS)
    start = start_command(GivingUp, "a", Visit())
    publisher.send([start])
    workers.until(lambda: bool(topics.records("completions")), of=[worker])

    assert worker.stop() == 0
    [history] = check_everything(topics, runs={start.id}).values()
    [completion] = topics.documents("completions")
    failures = [event for event in history if event["type"] == "step_failed"]
    assert [(each["attempt"], each["details"]["error"], each["details"]["message"]) for each in failures] == [
        (1, "ConnectionError", "attempt 1"),
        (2, "RuntimeError", "attempt 2"),
        (3, "TimeoutError", "attempt 3"),
    ]
    for each in failures:
        last = f"{each['details']['error']}: {each['details']['message']}"
        assert each["details"]["traceback"].strip().endswith(last)
        assert "in execute" in each["details"]["traceback"]
    assert (completion["status"], completion["ended_at"]) == ("failed", "give_up")
    assert completion["error"] == {"type": "TimeoutError", "message": "attempt 3"}
    assert history[-1]["details"] == {"error": "TimeoutError", "message": "attempt 3"}
