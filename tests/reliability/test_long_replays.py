"""A replay takes long, and others do not wait for its end."""

from __future__ import annotations

import signal

import pytest
from confluent_kafka import Producer

from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics as Names
from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import PARTITIONS, Publisher, Workers
from tests.reliability.databases import check_databases

ALL = set(range(PARTITIONS))
RECORDS_OF_EACH = 200_000


def lengthen(connection: Connection) -> None:
    """Gives the changelog records of a table that no engine reads, as many as of a partition with a past."""
    producer = Producer(connection.librdkafka(linger_ms=20, enable_idempotence=True))
    changelog = Names(connection.namespace).state
    for number in range(RECORDS_OF_EACH):
        for partition in ALL:
            producer.produce(changelog, b"x" * 100, b"z%08d" % number, partition)
        if number % 10_000 == 0:
            producer.flush(20)
    assert producer.flush(20) == 0


@pytest.mark.long
def test_a_worker_that_joins_during_a_long_replay_gets_its_partitions_before_the_replay_ends(
    workers: Workers, publisher: Publisher, topics: Topics, connection: Connection
) -> None:
    load = make_load(71, journeys=40, waves=2)
    worker = workers.started("before")
    load.send_wave(0, publisher)
    assert worker.stop() == 0
    lengthen(connection)

    # It has its imports behind it, and joins as soon as it is let.
    second = workers.start("second")
    workers.until(lambda: "worker of the namespace" in second.told(), of=[second])
    second.signal(signal.SIGSTOP)
    first = workers.start("first")
    workers.until(lambda: "replayed" in first.told(), of=[first])
    second.signal(signal.SIGCONT)
    workers.until(lambda: bool(second.partitions) and first.partitions | second.partitions == ALL, of=[first, second])
    load.send_wave(1, publisher)

    check_load(load, topics, publisher, workers)
    # The replay of all partitions never came to its end on the first worker.
    assert f"owns the partitions {', '.join(map(str, sorted(ALL)))}\n" not in first.told()
    assert first.partitions
    assert first.stop() == 0
    workers.until(lambda: second.partitions == ALL, of=[second])
    assert second.stop() == 0
    check_databases(workers.databases("second"), topics)
