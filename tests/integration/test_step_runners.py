from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import cancel_command, start_command
from tests.integration.checker import Topics, check_everything, check_histories
from tests.integration.flows import Trip
from tests.integration.runner_flows import ASKED, HUNG, Rated
from tests.integration.workers import PARTITIONS, Publisher, Workers

MODULE = "tests.integration.runner_flows"
ONE = partition_for(b"hung::0", PARTITIONS)


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have few places, and little patience."""
    for name, value in {"CONCURRENCY": "3", "THREADS": "2", "PROCESSES": "1", "STOP_GRACE": "1"}.items():
        monkeypatch.setenv(f"HEPHAESTUS_{name}", value)


def ids_of_one_partition(prefix: str, count: int) -> list[str]:
    """Ids whose keys lie in the same partition as those of any other prefix."""
    ids = (str(number) for number in range(10_000))
    found = [name for name in ids if partition_for(f"{prefix}::{name}".encode(), PARTITIONS) == ONE]
    return found[:count]


def test_cancel_stops_a_running_step_wherever_it_runs(workers: Workers, publisher: Publisher, topics: Topics) -> None:
    worker = workers.started(module=MODULE)
    starts = [start_command(flow, f"a{number}", Trip()) for number, flow in enumerate(ASKED)]
    publisher.send(starts)
    workers.until(lambda: len(workers.executed("begun")) == len(starts), of=[worker])
    asked_before = workers.executed("asked")

    publisher.send([cancel_command(flow, f"a{number}") for number, flow in enumerate(ASKED)])
    workers.until(lambda: len(workers.executed("asked")) == len(starts), of=[worker])
    workers.until(lambda: len(topics.records("completions")) == len(starts), of=[worker])

    assert asked_before == []
    assert sorted(workers.executed("asked")) == sorted(workers.executed("begun"))
    assert [pid == worker.pid for _, _, pid in sorted(workers.executed("asked"))] == [True, True, False]
    assert worker.stop() == 0
    check_everything(topics, runs={start.id for start in starts})
    assert {document["status"] for document in topics.documents("completions")} == {"cancelled"}
    assert "does not stop" not in worker.told()


def test_a_step_that_never_returns_is_timed_out_and_holds_up_no_other_instance_of_its_partition(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started(module=MODULE)
    hung = [
        start_command(flow, name, Trip()) for flow, name in zip(HUNG * 2, ids_of_one_partition("hung", 6), strict=True)
    ]
    others = [start_command(Rated, name, Trip(legs=3)) for name in ids_of_one_partition("rated", 4)]
    publisher.send(hung[:3])
    workers.until(lambda: len(workers.executed("hung")) == 3, of=[worker])

    publisher.send([*hung[3:5], *others, hung[5]])
    workers.until(lambda: len(topics.records("completions")) == len(hung) + len(others), of=[worker])

    assert {record.partition for record in topics.records("history")} == {ONE}
    histories = check_histories(topics)
    failed = [event for start in hung for event in histories[start.id] if event["type"] == "step_failed"]
    assert [event["details"]["error"] for event in failed] == ["StepTimeoutError"] * len(hung)
    assert all(histories[start.id][-1]["type"] == "completed" for start in others)
    assert worker.told().count("hangs in its thread") == 2
    # Its steps that hang are no reason for a worker not to stop.
    assert worker.stop() == 0


def test_a_step_reports_the_same_wherever_it_runs(workers: Workers, publisher: Publisher, topics: Topics) -> None:
    worker = workers.started(module=MODULE)
    start = start_command(Rated, "a", Trip(legs=4), tags=("one", "two"))
    publisher.send([start])
    workers.until(lambda: len(topics.records("completions")) == 1, of=[worker])

    results = {document["node"]: document for document in topics.documents("step-results")}
    told = [
        {name: result[name] for name in ("event", "result", "metadata", "attempt")}
        for result in (results["loop"], results["thread"], results["process"])
    ]
    assert told == [{"event": "rated", "result": {"stars": 4}, "metadata": {"by": ["one", "two"]}, "attempt": 1}] * 3
    assert [pid == worker.pid for _, _, pid in workers.executed("rated")] == [True, True, False]
    process = workers.executed("rated")[-1][2]
    assert Path(f"/proc/{process}").exists()
    assert os.getpgid(process) == process
    assert worker.stop() == 0
    assert not Path(f"/proc/{process}").exists()


def test_as_json_a_step_logs_the_same_wherever_it_runs(
    workers: Workers, publisher: Publisher, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPHAESTUS_LOG_FORMAT", "json")
    worker = workers.start(module=MODULE)
    workers.until(lambda: "owns the partitions" in worker.told(), of=[worker])
    start = start_command(Rated, "a", Trip(legs=4))
    publisher.send([start])
    workers.until(lambda: len(topics.records("completions")) == 1, of=[worker])

    lines = [line for line in map(json.loads, worker.told().splitlines()) if line["message"] == "rated"]
    names = ("level", "logger", "workflow", "key", "run", "attempt", "partition")
    same = ["INFO", MODULE, "Rated", start.key, start.id, 1, partition_for(start.key.encode(), PARTITIONS)]
    assert [line["node"] for line in lines] == ["loop", "thread", "process"]
    assert [[line[name] for name in names] for line in lines] == [same] * 3
    assert worker.stop() == 0
