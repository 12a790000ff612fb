"""Three brokers on this machine: what they keep for each other, and how single ones go and come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from hephaestus_stream.errors import LocalKafkaError
from hephaestus_stream.local_kafka import LocalKafka, temporary_cluster
from hephaestus_stream.local_kafka.folder import KafkaFolder
from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection

Eventually = Callable[[Callable[[], bool]], None]


class TopicAdmin(Protocol):
    """What of the admin client is used here; its own types leave the futures' results open."""

    def create_topics(self, new_topics: list[NewTopic]) -> dict[str, Future[None]]: ...


def topic_admin(bootstrap: str) -> TopicAdmin:
    return AdminClient({"bootstrap.servers": bootstrap})


@pytest.fixture(scope="module")
def cluster() -> Generator[LocalKafka]:
    # A broker that was killed is let in again when its last session has expired, by default after 9 s.
    sessions = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
    with temporary_cluster(brokers=3, properties=sessions) as kafka:
        yield kafka


@pytest.fixture
def orders(cluster: LocalKafka, namespace: str) -> str:
    """A topic with a partition for each broker to lead, whose copies are the cluster's own default."""
    name = f"{namespace}.orders"
    admin = topic_admin(cluster.bootstrap)  # a client that is garbage cancels its requests
    admin.create_topics([NewTopic(name, 3, -1)])[name].result(timeout=20)
    return name


def in_sync(kafka: LocalKafka, topic: str) -> list[set[int]]:
    """The brokers that have everything of each partition."""
    metadata = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(topic, timeout=10)
    return [set(partition.isrs) for partition in metadata.topics[topic].partitions.values()]


def publish(kafka: LocalKafka, topic: str) -> list[int]:
    """Writes a record into each partition, to be confirmed by all copies in sync, and tells where they stand."""
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all", "delivery.timeout.ms": 30_000})
    for partition in range(3):
        producer.produce(
            topic, b"a chair", partition=partition, on_delivery=lambda _, message: offsets.append(message.offset() or 0)
        )
    assert producer.flush(40) == 0
    return offsets


def test_what_a_worker_creates_has_three_copies_and_needs_two(cluster: LocalKafka, namespace: str) -> None:
    connection = Connection(cluster.bootstrap, namespace)
    created = create_topics(connection, partitions=2, replication_factor=-1)

    assert len(created) == 7
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    # Whoever is asked may hear of a new topic a little later.
    while not set(created) <= (topics := admin.list_topics(timeout=10).topics).keys():
        time.sleep(0.05)
    assert {len(copies.replicas) for name in created for copies in topics[name].partitions.values()} == {3}
    described = Cluster(connection).describe(created, with_options=True)
    assert {topic.options["min.insync.replicas"] for topic in described.values()} == {"2"}


def test_one_broker_may_die_and_comes_back_into_the_set_in_sync(
    cluster: LocalKafka, orders: str, eventually: Eventually
) -> None:
    addresses = cluster.bootstrap
    cluster.kill(2)
    running = cluster.status()
    assert running is not None
    assert [broker.running for broker in running.brokers] == [True, False, True]
    assert not running.ready
    with pytest.raises(LocalKafkaError, match=r"Broker 2 of .* does not run"):
        cluster.pause(2)
    assert publish(cluster, orders) == [0, 0, 0]

    cluster.start(2)
    assert cluster.bootstrap == addresses
    eventually(lambda: in_sync(cluster, orders) == [{1, 2, 3}] * 3)
    assert publish(cluster, orders) == [1, 1, 1]


def test_the_majority_may_die_and_all_come_back_with_what_was_confirmed(
    cluster: LocalKafka, orders: str, eventually: Eventually
) -> None:
    assert publish(cluster, orders) == [0, 0, 0]
    cluster.kill(1, 3)
    cluster.start(1, 3)

    eventually(lambda: in_sync(cluster, orders) == [{1, 2, 3}] * 3)
    assert publish(cluster, orders) == [1, 1, 1]


def test_a_frozen_broker_is_alive_but_does_not_answer_until_it_goes_on(cluster: LocalKafka) -> None:
    cluster.pause(3)
    # On a busy machine it may get the signal a moment later.
    while (frozen := cluster.status()) is not None and frozen.brokers[2].ready:
        time.sleep(0.05)
    cluster.resume(3)

    assert frozen is not None
    assert [(broker.running, broker.ready) for broker in frozen.brokers] == [(True, True), (True, True), (True, False)]
    cluster.start(3)
    assert (after := cluster.status()) is not None
    assert after.ready


def test_a_broker_that_stops_in_order_hands_over_and_comes_back(cluster: LocalKafka, orders: str) -> None:
    cluster.stop(1)
    assert publish(cluster, orders) == [0, 0, 0]
    cluster.start(1)

    assert cluster.up().ready


def test_a_broker_that_is_none_is_named_with_those_that_are(cluster: LocalKafka) -> None:
    with pytest.raises(LocalKafkaError, match="has no broker 4, but 1, 2, 3"):
        cluster.kill(4)


def test_the_number_of_brokers_is_fixed_with_the_data(tmp_path: Path) -> None:
    three = KafkaFolder(tmp_path / "three")
    assert [folder.node_id for folder in three.prepare(3)] == [1, 2, 3]
    assert [folder.node_id for folder in three.prepare(None)] == [1, 2, 3]
    with pytest.raises(LocalKafkaError, match="has 3 brokers and cannot have 1: the number is fixed"):
        three.prepare(1)

    one = KafkaFolder(tmp_path / "one")
    (alone,) = one.prepare(None)
    assert alone.path == one.path
    alone.data.mkdir()
    with pytest.raises(LocalKafkaError, match=r"has 1 broker and cannot have 3"):
        LocalKafka(one.path, brokers=3).up()
