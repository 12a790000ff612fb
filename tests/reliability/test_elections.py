"""One of three brokers dies: until others have taken over from it, questions are asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest
from confluent_kafka.admin import AdminClient

from hephaestus_stream import Client
from hephaestus_stream.client.dead_letters import Selection, read_dead_letters
from hephaestus_stream.local_kafka import LocalKafka, temporary_cluster
from hephaestus_stream.runtime.commands_log import CommandsLog
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

PARTITIONS = 3


@pytest.fixture(scope="module")
def cluster() -> Generator[LocalKafka]:
    # Longer than the patience with a cluster of which no broker answers.
    with temporary_cluster(brokers=3, properties={"broker.session.timeout.ms": "12000"}) as kafka:
        yield kafka


@pytest.fixture
def connection(cluster: LocalKafka, namespace: str) -> Connection:
    connection = Connection(cluster.bootstrap, namespace)
    create_topics(connection, partitions=PARTITIONS, replication_factor=-1)
    return connection


def leader(connection: Connection, topic: str) -> int:
    """The broker that leads partition 0, as soon as it is known to all of them."""
    admin = AdminClient({**connection.librdkafka()})
    while not (found := admin.list_topics(topic, timeout=10).topics[topic].partitions):
        time.sleep(0.05)
    return found[0].leader


@pytest.mark.timeout(180)
def test_shards_clients_and_commands_wait_for_the_next_leader(cluster: LocalKafka, connection: Connection) -> None:
    log = CommandsLog(connection)
    victim = leader(connection, log.topic)
    cluster.kill(victim)
    assert log.range(0, stop=threading.Event()) == (0, 0)
    assert not log.has_group_offset(0, stop=threading.Event())
    log.close()
    cluster.start(victim)

    victim = leader(connection, Topics(connection.namespace).dead_letters)
    cluster.kill(victim)
    assert list(read_dead_letters(connection, Selection())) == []
    with Client(connection):
        pass
    cluster.start(victim)
