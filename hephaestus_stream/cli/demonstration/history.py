"""Reads the history of a namespace as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import HistoryRecord
from hephaestus_stream.wire.topics import Topics

_BATCH: Final = 500
_POLL_SECONDS: Final = 0.1


async def read_history(connection: Connection, *, partitions: int) -> AsyncGenerator[list[HistoryRecord]]:
    """Yields what is new about ten times a second, an empty list as well; it ends when it is closed."""
    configuration = connection.librdkafka(
        group_id=f"{connection.namespace}.demo",  # asked for by librdkafka, and never joined
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_wait_max_ms=50,
    )
    consumer = Consumer(configuration)
    topic = Topics(connection.namespace).history
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
    try:
        while True:
            messages = await asyncio.to_thread(consumer.consume, _BATCH, _POLL_SECONDS)
            values = [message.value() for message in messages if message.error() is None]
            yield [HistoryRecord.from_bytes(value) for value in values if value is not None]
    finally:
        consumer.close()
