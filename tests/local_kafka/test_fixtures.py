"""The fixtures that every other test of a real Kafka stands on."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

from hephaestus_stream.wire.connection import Connection


def test_a_connection_reaches_a_kafka_in_a_namespace_of_its_own(connection: Connection, namespace: str) -> None:
    metadata = AdminClient(connection.librdkafka()).list_topics(timeout=10)

    assert connection.namespace == namespace
    assert len(metadata.brokers) == 1
    assert not [topic for topic in metadata.topics if topic.startswith(namespace)]
