"""Reads what partitions hold now, up to their ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.client.broker import PATIENCE_SECONDS, end_of, read, translated
from hephaestus_stream.kafka_client import denied, unreachable
from hephaestus_stream.wire.connection import Connection

_SLICE_SECONDS: Final = 0.1


def records_to_end(
    consumer: Consumer, places: Sequence[TopicPartition], *, connection: Connection
) -> Iterator[Message]:
    """All records that partitions hold now, each from its place on; what is written meanwhile may come, too.

    Args:
        consumer: One with `enable_partition_eof`, that reads nothing else.
        places: Partitions with the offsets where reading begins.
        connection: Where Kafka is, for errors.

    Raises:
        BrokerUnreachableError: No broker answers, or none for 8 s.
        AccessDeniedError: The topic may not be read.
        KafkaException: The consumer cannot go on.
    """
    ends = {place.partition: end_of(consumer, place, connection=connection) for place in places}
    unread = {place.partition: TopicPartition(place.topic, place.partition) for place in places}
    consumer.assign(list(places))
    deadline, failed = time.monotonic() + PATIENCE_SECONDS, None
    while unread and time.monotonic() < deadline:
        for message in read(consumer, _SLICE_SECONDS):
            error = message.error()
            if error is None:
                deadline = time.monotonic() + PATIENCE_SECONDS
                yield message
            # A log may end in a commit marker, which is no record: its end is told as such.
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own errors are spelled so
                unread.pop(message.partition() or 0, None)
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                # Not for the group, of which librdkafka asks by itself, and which nobody joins.
                raise denied(connection, error, right=f"Read on topic {message.topic()}")
            else:
                failed = error  # most pass by themselves
        for place in consumer.position(list(unread.values())):
            if place.offset >= ends[place.partition]:
                del unread[place.partition]  # others may write faster than this reads
    if unread:
        if failed is None:
            raise unreachable(connection)
        raise translated(KafkaException(failed), connection, right=f"Read on topic {places[0].topic}")
