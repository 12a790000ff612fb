"""What is written to topics, as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.client.broker import (
    PATIENCE_SECONDS,
    SLICE_SECONDS,
    end_of,
    open_consumer,
    partitions_of,
    read,
    translated,
)
from hephaestus_stream.kafka_client import denied
from hephaestus_stream.wire.connection import Connection


def tail(connection: Connection, topics: Sequence[str], *, since: datetime | None = None) -> Iterator[Message]:
    """Yields the records of topics for ever, in the order of each partition; a broker that goes away is waited for.

    Args:
        connection: Where Kafka is.
        topics: Their full names.
        since: From this moment on; from now on unless given.

    Raises:
        BrokerUnreachableError: No broker answers, at the beginning.
        AccessDeniedError: A topic may not be read.
        TopicMismatchError: One of them is missing.
    """
    consumer = open_consumer(connection, isolation_level="read_committed")
    with closing(consumer):
        try:
            consumer.assign([place for topic in topics for place in _places(consumer, topic, connection, since)])
        except KafkaException as failure:
            raise translated(failure, connection, right=f"Read on topic {topics[0]}") from failure
        while True:
            for message in read(consumer, SLICE_SECONDS):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise denied(connection, error, right=f"Read on topic {message.topic()}")


def _places(consumer: Consumer, topic: str, connection: Connection, since: datetime | None) -> Sequence[TopicPartition]:
    places = [TopicPartition(topic, each) for each in range(partitions_of(consumer, topic, connection=connection))]
    ends = [TopicPartition(topic, each.partition, end_of(consumer, each, connection=connection)) for each in places]
    if since is None:
        return ends
    at = int(since.timestamp() * 1_000)
    found = consumer.offsets_for_times([TopicPartition(topic, each.partition, at) for each in places], PATIENCE_SECONDS)
    # Where nothing is that late, the answer is a negative number.
    return [place if place.offset >= 0 else end for place, end in zip(found, ends, strict=True)]
