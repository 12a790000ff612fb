"""More partitions on one worker than most have."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hephaestus_stream.wire.connection import Connection
from tests.integration.checker import Document, Topics, check_everything
from tests.integration.load import ask_again, await_endings, check_effects, make_load
from tests.integration.workers import Publisher, Worker, Workers

MANY = 24
POSITION = b"\x01position"
# A producer has three or four threads; the rest is the worker's own, and the clients' that all shards share.
MOST_THREADS = 4 * MANY + 80


def threads(worker: Worker) -> int:
    """Those of libraries included."""
    return len(list(Path(f"/proc/{worker.pid}/task").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the threads of another process")
def test_one_worker_has_two_dozen_partitions(connection: Connection, workers: Workers, publisher: Publisher) -> None:
    topics = Topics(connection.bootstrap, connection.namespace, partitions=MANY)
    load = make_load(8, journeys=120, waves=3)
    worker = workers.started("many", HEPHAESTUS_PARTITIONS=str(MANY))
    assert worker.partitions == set(range(MANY))
    load.send_wave(0, publisher)
    # What comes back after others came and went leaves no threads of its former opening behind.
    for number in range(2):
        other = workers.start(f"other-{number}", HEPHAESTUS_PARTITIONS=str(MANY))
        workers.until(lambda: len(worker.partitions) == MANY // 2, of=[worker])
        assert other.stop() == 0
        workers.until(lambda: len(worker.partitions) == MANY, of=[worker])
        load.send_wave(1 + number, publisher)

    await_endings(load, topics, workers)
    assert threads(worker) <= MOST_THREADS
    answers = ask_again(load, topics, publisher, workers)
    check_effects(load, answers, check_everything(topics, runs=set(load.runs.values())))
    assert worker.stop() == 0
    assert all(position["closed_cleanly"] for position in last_positions(topics).values())


def last_positions(topics: Topics) -> dict[int, Document]:
    positions = {found.partition: found.document for found in topics.records("state") if found.key == POSITION}
    assert set(positions) == set(range(MANY))
    return positions
