from __future__ import annotations

import threading

from confluent_kafka import Producer

from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from tests.chaos.checker.topics import Topics

PARTITIONS = 4
RECORDS = 4_000


def test_each_record_is_read_once_however_often_one_looks_while_others_write(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    topics = Topics(connection.bootstrap, connection.namespace, partitions=PARTITIONS)
    producer = Producer(connection.librdkafka(linger_ms=1))

    def write() -> None:
        for number in range(RECORDS):
            producer.produce(f"{connection.namespace}.history", str(number).encode(), b"", number % PARTITIONS)
            if number % 20 == 0:
                producer.flush()
        producer.flush()

    writer = threading.Thread(target=write)
    writer.start()
    news: list[int] = []
    while writer.is_alive():
        news += [int(record.value or b"") for record in topics.news("history")]
    news += [int(record.value or b"") for record in topics.news("history")]

    assert sorted(news) == list(range(RECORDS))
    read = [int(record.value or b"") for record in topics.records("history")]
    assert [number for number in read if number % PARTITIONS == 0] == list(range(0, RECORDS, PARTITIONS))
