"""Positions that do not fit their topic: the partition stays closed, the others go on, and there is a way out."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from hephaestus_stream.cycle.record import FORM
from hephaestus_stream.runtime.position import POSITION_KEY
from hephaestus_stream.runtime.topics import create_topics, topic_ids
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import resume_command, start_command
from hephaestus_stream.wire.topics import Topics as Names
from tests.integration.checker import Topics, check_endings, check_histories, check_results
from tests.integration.flows import Journey, Stars, Trip
from tests.integration.workers import PARTITIONS, Publisher, Worker, Workers

ALL = set(range(PARTITIONS))
DAMAGED = 0
WITHIN = 20.0


class Runs:
    """Runs that are started, and end by themselves."""

    def __init__(self, publisher: Publisher, topics: Topics, workers: Workers) -> None:
        self.started: set[str] = set()
        self._numbers = itertools.count()
        self._publisher = publisher
        self._topics = topics
        self._workers = workers

    def send(self, *, partitions: set[int]) -> set[str]:
        """One run in each of these partitions; returns them."""
        sent: set[str] = set()
        for partition in partitions:
            name = next(name for name in map(str, self._numbers) if partition_of(name) == partition)
            start = start_command(Journey, name, Trip())
            self._publisher.send([start, resume_command(Journey, name, Journey.review.received, Stars(stars=1))])
            sent.add(start.id)
        return sent

    def end(self, *, partitions: set[int], of: Worker) -> None:
        """The same, and waits for their ends."""
        sent = self.send(partitions=partitions)
        self.started |= sent
        self._workers.until(lambda: self.completed() >= sent, of=[of])

    def completed(self) -> set[str]:
        return {document["run"] for document in self._topics.documents("completions")}


def partition_of(name: str) -> int:
    return partition_for(f"trip::{name}".encode(), PARTITIONS)


@pytest.fixture
def runs(publisher: Publisher, topics: Topics, workers: Workers) -> Runs:
    return Runs(publisher, topics, workers)


def do(ask: Callable[[AdminClient], dict[Any, Future[object]]], connection: Connection) -> None:
    """Has something administrated, and waits for it."""
    admin = AdminClient(connection.librdkafka())  # its futures end only while it is there
    assert [future.exception(WITHIN) for future in ask(admin).values()] == [None]


def delete(connection: Connection, topic: str, workers: Workers) -> None:
    do(lambda admin: cast("Any", admin).delete_topics([topic]), connection)
    workers.until(lambda: topic not in topic_ids(connection))


def make_anew(connection: Connection, topic: str, workers: Workers) -> None:
    delete(connection, topic, workers)
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)


def closed(worker: Worker, why: str) -> Callable[[], bool]:
    """Whether every partition that it told to be closed is so for this reason, and at least one is."""
    return lambda: 0 < worker.told().count("stays closed") == worker.told().count(why)


def accept_the_loss(connection: Connection) -> str:
    options = ["--accept-loss", "--bootstrap", connection.bootstrap, "--namespace", connection.namespace]
    reset = subprocess.run(
        [sys.executable, "-m", "hephaestus_stream.cli", "positions", "reset", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert reset.returncode == 0, reset.stderr
    return reset.stdout


def check_runs(topics: Topics, runs: set[str]) -> None:
    """Each run is whole, and ended once; of its commands some are gone, or answered again, which was accepted."""
    histories = check_histories(topics)
    check_endings(topics, histories, runs=runs)
    check_results(topics, histories)


def worked_before(workers: Workers, runs: Runs) -> None:
    worker = workers.started()
    runs.end(partitions=ALL, of=worker)
    assert worker.stop() == 0


def works_again(workers: Workers, runs: Runs) -> None:
    worker = workers.started()
    assert worker.partitions == ALL
    runs.end(partitions=ALL, of=worker)
    assert worker.stop() == 0


@pytest.mark.parity(23)
def test_commands_that_were_made_anew(connection: Connection, workers: Workers, topics: Topics, runs: Runs) -> None:
    worked_before(workers, runs)
    make_anew(connection, Names(connection.namespace).commands, workers)

    worker = workers.start()
    workers.until(closed(worker, "but that was replaced by"), of=[worker])
    workers.until(lambda: worker.told().count("stays closed") == PARTITIONS, of=[worker])
    assert worker.stop() == 0

    accept_the_loss(connection)
    works_again(workers, runs)
    check_runs(topics, runs.started)


@pytest.mark.parametrize("topic", ["commands", "state"])
@pytest.mark.parametrize("is_missed", [False, True])
@pytest.mark.parity(23)
def test_topics_that_are_made_anew_under_a_living_worker(
    connection: Connection, workers: Workers, runs: Runs, topic: str, *, is_missed: bool
) -> None:
    worker = workers.started()
    runs.end(partitions=ALL, of=worker)
    delete(connection, getattr(Names(connection.namespace), topic), workers)
    if is_missed:
        # Without `commands` the group assigns nothing.
        workers.until(lambda: "owns the partitions none" in worker.told() or closed(worker, "went missing")())
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    # Far more than what is read already, so that reading could go on at the old offsets.
    started = set[str]().union(*(runs.send(partitions=ALL) for _ in range(10)))
    workers.until(closed(worker, "--accept-loss"), of=[worker])
    assert worker.stop() == 0

    accept_the_loss(connection)
    worker = workers.started()
    workers.until(lambda: runs.completed() >= started, of=[worker])
    assert worker.stop() == 0


@pytest.mark.parity(23)
def test_commands_that_were_deleted_before_they_were_read(
    connection: Connection, workers: Workers, topics: Topics, runs: Runs
) -> None:
    worked_before(workers, runs)
    lost = runs.send(partitions={DAMAGED})
    end = TopicPartition(Names(connection.namespace).commands, DAMAGED, -1)
    do(lambda admin: cast("Any", admin).delete_records([end]), connection)

    worker = workers.start()
    workers.until(closed(worker, "were deleted before they were read"), of=[worker])
    workers.until(lambda: worker.partitions == ALL - {DAMAGED}, of=[worker])
    runs.end(partitions=ALL - {DAMAGED}, of=worker)
    assert worker.stop() == 0

    accept_the_loss(connection)
    works_again(workers, runs)
    check_runs(topics, runs.started)
    assert not lost & runs.completed()


@pytest.mark.parity(23)
def test_state_that_lacks_its_position(connection: Connection, workers: Workers, topics: Topics, runs: Runs) -> None:
    worked_before(workers, runs)
    owner = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-{DAMAGED}"))
    owner.init_transactions(WITHIN)
    owner.begin_transaction()
    owner.produce(Names(connection.namespace).state, None, POSITION_KEY, DAMAGED)
    owner.commit_transaction(WITHIN)

    worker = workers.start()
    workers.until(closed(worker, "its state has records but no position"), of=[worker])
    workers.until(lambda: worker.partitions == ALL - {DAMAGED}, of=[worker])
    runs.end(partitions=ALL - {DAMAGED}, of=worker)
    assert worker.stop() == 0

    accept_the_loss(connection)
    works_again(workers, runs)
    # Commands that are read a second time are known by their ids.
    check_runs(topics, runs.started)


@pytest.mark.parity(23)
def test_a_record_of_the_state_that_no_worker_can_take_closes_its_partition_and_ends_none_of_them(
    connection: Connection, workers: Workers, topics: Topics, runs: Runs, publisher: Publisher
) -> None:
    worked_before(workers, runs)
    bad = next(str(number) for number in itertools.count(1_000) if partition_of(str(number)) == DAMAGED)
    owner = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-{DAMAGED}"))
    owner.init_transactions(WITHIN)
    owner.begin_transaction()
    # Its header can be read, so that a partition with it opens; what follows cannot.
    owner.produce(Names(connection.namespace).state, bytes([FORM, *bytes(17), 0xC1]), f"ktrip::{bad}".encode(), DAMAGED)
    owner.commit_transaction(WITHIN)

    first, second = workers.start("first"), workers.start("second")
    workers.until(lambda: first.partitions | second.partitions == ALL, of=[first, second])
    publisher.send([start_command(Journey, bad, Trip())])
    both = [first, second]
    workers.until(lambda: any("a record of the state is damaged" in each.told() for each in both), of=both)
    victim = next(each for each in both if "a record of the state is damaged" in each.told())
    other = second if victim is first else first
    runs.end(partitions=ALL - {DAMAGED}, of=victim)

    # Whoever takes its partitions over meets the same, and goes on as well.
    assert victim.stop() == 0
    workers.until(lambda: f"partition {DAMAGED} stays closed" in other.told(), of=[other])
    runs.end(partitions=ALL - {DAMAGED}, of=other)
    assert other.stop() == 0
    check_runs(topics, runs.started)


@pytest.mark.parity(23)
def test_a_group_that_has_offsets_but_no_state(connection: Connection, workers: Workers, runs: Runs) -> None:
    worked_before(workers, runs)
    make_anew(connection, Names(connection.namespace).state, workers)

    worker = workers.start()
    workers.until(closed(worker, "but there is no state at all"), of=[worker])
    workers.until(lambda: worker.told().count("stays closed") == PARTITIONS, of=[worker])
    assert worker.stop() == 0

    accept_the_loss(connection)
    works_again(workers, runs)
