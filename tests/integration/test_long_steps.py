from __future__ import annotations

import signal

import pytest

from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import start_command
from tests.integration.checker import Topics, check_everything, check_histories
from tests.integration.flows import Deadly, Held, Hung, Nap, Trip
from tests.integration.workers import PARTITIONS, Publisher, Worker, Workers

ALL = set(range(PARTITIONS))
EACH = [f"p{number}" for number in range(12)]


def partition_of(id: str) -> int:  # noqa: A002 - the wire's own word
    return partition_for(f"held::{id}".encode(), PARTITIONS)


@pytest.mark.parity(23, 26)
def test_a_running_step_outlives_a_rebalance_where_its_partition_stays_and_is_run_again_after_a_kill(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    first = workers.started("first")
    starts = {name: start_command(Held, name, Trip()) for name in EACH}
    assert {partition_of(name) for name in EACH} == ALL
    publisher.send(starts.values())
    workers.until(lambda: len(workers.executed("begun")) == len(EACH), of=[first])

    second = workers.start("second")
    workers.until(lambda: first.partitions | second.partitions == ALL and bool(second.partitions), of=[first, second])
    moved = [name for name in EACH if partition_of(name) in second.partitions]
    stayed = [name for name in EACH if name not in moved]
    workers.until(lambda: len(workers.executed("begun")) == len(EACH) + len(moved), of=[first, second])

    assert stayed
    assert moved
    keys = {name: f"{start.key}/{start.id}/hold" for name, start in starts.items()}
    begun = [(key, pid) for key, _, pid in workers.executed("begun")]
    assert sorted(begun) == sorted(
        [(key, first.pid) for key in keys.values()] + [(keys[name], second.pid) for name in moved]
    )

    first.kill()
    workers.until(lambda: len(workers.executed("begun")) == 2 * len(EACH), of=[second])
    for name in EACH:
        workers.release(name)
    workers.until(lambda: len(topics.records("completions")) == len(EACH), of=[second])

    assert {(key, pid) for key, _, pid in workers.executed("ended")} == {(key, second.pid) for key in keys.values()}
    assert second.stop() == 0
    check_everything(topics, runs={start.id for start in starts.values()})


def test_a_graceful_stop_commits_the_outcome_of_a_step_that_ends_in_time(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    first = workers.started()
    held, hung = start_command(Held, "held", Trip()), start_command(Hung, "hung", Trip())
    publisher.send([held, hung])
    workers.until(lambda: bool(workers.executed("begun") and workers.executed("hung")), of=[first])

    first.signal(signal.SIGTERM)
    workers.until(lambda: "stopping in order" in first.told())
    workers.release("held")

    # A thread that hangs keeps no worker from stopping.
    assert first.ended() == 0
    histories = check_histories(topics)
    assert histories[held.id][-1]["type"] == "completed"
    assert len(workers.executed("begun")) == 1
    assert histories[hung.id][-1]["type"] == "step_started"


@pytest.mark.parity(11, 23, 26)
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_timer_fires_once_though_its_worker_ended_meanwhile(
    end: str, workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    first = workers.started()
    starts = [start_command(Nap, f"n{number}", Trip()) for number in range(20)]
    publisher.send(starts)
    workers.until(lambda: len(topics.records("replies")) == len(starts), of=[first])

    if end == "killed":
        first.kill()
    else:
        assert first.stop() == 0
    second = workers.started()
    workers.until(lambda: len(topics.records("completions")) == len(starts), of=[second])

    assert second.stop() == 0
    histories = check_everything(topics, runs={start.id for start in starts})
    for history in histories.values():
        assert [event["type"] for event in history].count("timer_fired") == 1


def live_on(worker: Worker, workers: Workers, topics: Topics) -> Worker:
    """Starts a worker again and again, as a supervisor does, until a run has ended; returns the last one."""
    for _ in range(8):
        life = worker
        workers.until(lambda: not life.is_running or bool(topics.records("completions")))  # noqa: B023 - called here
        if worker.is_running:
            return worker
        worker = workers.start()
    raise AssertionError(worker.told())


@pytest.mark.parity(23)
def test_a_step_that_kills_its_worker_costs_four_of_them_and_no_step_beside_it(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    # In the same partition a step runs all the time, and is taken up again by each life of the worker.
    beside = next(name for name in EACH if partition_of(name) == partition_for(b"deadly::d", PARTITIONS))
    deadly, held = start_command(Deadly, "d", Trip()), start_command(Held, beside, Trip())
    worker = workers.started()
    publisher.send([held])
    workers.until(lambda: bool(workers.executed("begun")), of=[worker])
    publisher.send([deadly])

    worker = live_on(worker, workers, topics)
    workers.release(beside)
    workers.until(lambda: len(topics.records("completions")) == 2, of=[worker])

    histories = check_histories(topics)
    assert [event["details"]["error"] for event in histories[deadly.id] if event["type"] == "step_failed"] == [
        "WorkerLost"
    ]
    assert histories[held.id][-1]["type"] == "completed"
    assert len(workers.executed("crashed")) == 4
    # Both could have killed the first ones: the younger had its turn first, alone, and the other one was held.
    told = [event["type"] for event in histories[held.id]]
    assert "step_held" in told
    # The step beside it was taken up again and again, and never blamed.
    assert "step_failed" not in told
    assert {attempt for _, attempt, _ in workers.executed("begun")} == {1}
    assert worker.stop() == 0
