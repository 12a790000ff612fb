"""Raw options of librdkafka that would break what the engine promises."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from typing import Any, Protocol, cast

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from hephaestus_stream.runtime.transaction import TransactionalProducer
from hephaestus_stream.wire.command import encode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import start_command
from tests.integration.checker import Topics, check_everything
from tests.integration.flows import Journey, Trip
from tests.integration.load import ask_again, await_endings, check_effects, make_load
from tests.integration.workers import PARTITIONS, Publisher, Workers

SENT_WITHIN = 20.0


class Group(Protocol):
    group_id: str


class Groups(Protocol):
    valid: list[Group]


def groups(connection: Connection) -> set[str]:
    """The consumer groups that begin with the namespace."""
    admin = AdminClient(connection.librdkafka())  # its futures end only while it is there
    listed = cast("Future[Groups]", cast("Any", admin).list_consumer_groups())
    found = {group.group_id for group in listed.result(SENT_WITHIN).valid}
    return {group for group in found if group.startswith(connection.namespace)}


def send_and_abort(connection: Connection) -> None:
    """A start in each partition that was never committed."""
    producer = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}.client"))
    producer.init_transactions(SENT_WITHIN)
    producer.begin_transaction()
    for partition in range(PARTITIONS):
        command = start_command(Journey, f"never-{partition}", Trip())
        producer.produce(f"{connection.namespace}.commands", encode_command(command), command.key, partition)
    assert producer.flush(SENT_WITHIN) == 0
    producer.abort_transaction(SENT_WITHIN)


@pytest.mark.parity(23)
def test_a_worker_whose_options_ask_for_it_neither_leaves_its_group_nor_its_transactions_nor_reads_what_is_aborted(
    connection: Connection,
    workers: Workers,
    publisher: Publisher,
    topics: Topics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hostile = {
        "group.id": f"{connection.namespace}-theirs",
        "transactional.id": f"{connection.namespace}-theirs",
        "enable.auto.commit": "true",
        "isolation.level": "read_uncommitted",
        "auto.offset.reset": "latest",
        "enable.idempotence": "false",
        "enable.partition.eof": "false",
        "acks": "0",
    }
    monkeypatch.setenv("HEPHAESTUS_KAFKA", json.dumps(hostile))
    load = make_load(9, journeys=40, waves=2)
    first = workers.started("first")
    second = workers.start("second")
    workers.until(lambda: bool(second.partitions), of=[first, second])
    load.send_wave(0, publisher)
    send_and_abort(connection)
    second.kill()
    load.send_wave(1, publisher)

    await_endings(load, topics, workers)
    answers = ask_again(load, topics, publisher, workers)
    check_effects(load, answers, check_everything(topics, runs=set(load.runs.values())))
    assert groups(connection) == {connection.namespace}

    # Whoever opens the producer of a partition fences the worker, by the id that comes from the namespace.
    heir = TransactionalProducer(connection, partition=0, stop=threading.Event())
    heir.open()
    publisher.send_raw(b"{}", key=b"k", partition=0)
    assert first.ended() != 0
    assert "another worker owns partition" in first.told()
    heir.close()
