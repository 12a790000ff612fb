from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import cast

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for

PARTITIONS = 12


def test_a_record_lies_in_the_partition_that_its_key_was_said_to_have(connection: Connection) -> None:
    topic = f"{connection.namespace}.partitions"
    admin = AdminClient(connection.librdkafka())
    # The type of the futures' results is left open by confluent-kafka.
    create = cast("Callable[[list[NewTopic]], dict[str, Future[None]]]", admin.create_topics)  # pyright: ignore[reportUnknownMemberType]
    create([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])[topic].result(30)
    keys = {f"orderid::{'é' * (number % 5)}{number}".encode() for number in range(300)}
    producer = Producer(connection.librdkafka(partitioner="murmur2_random"))
    for key in keys:
        producer.produce(topic, b"", key)
    assert producer.flush(30) == 0

    consumer = Consumer(connection.librdkafka(group_id="reader", auto_offset_reset="earliest"))
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found: dict[bytes, int | None] = {}
    while len(found) < len(keys):
        for message in consumer.consume(len(keys), timeout=1):
            assert message.error() is None
            found_key = message.key()
            assert isinstance(found_key, bytes)
            found[found_key] = message.partition()
    consumer.close()

    assert found == {key: partition_for(key, PARTITIONS) for key in keys}
