"""Writes histories to a real topic, as a worker does: in transactions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from confluent_kafka import Producer

from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output_bytes import encode_history
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.topics import Topics

PARTITIONS = 3
KEY = "orderid::abc123"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(
    type: str,  # noqa: A002 - the wire's own word
    *,
    sequence: int = 1,
    run: str = "run-1",
    workflow: str = "OrderFlow",
    version: int = 2,
) -> bytes:
    return encode_history(
        workflow=workflow, version=version, key=KEY, run=run, sequence=sequence, at=_NOW, type=type, node="validate"
    )


def publish(connection: Connection, values: Iterable[bytes], *, key: str = KEY, is_committed: bool = True) -> None:
    """Writes records in one transaction, which is committed or aborted."""
    producer = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-histories", linger_ms=0))
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        place = partition_for(key.encode(), PARTITIONS)
        producer.produce(Topics(connection.namespace).history, value, key.encode(), place)
    assert producer.flush(10) == 0
    if is_committed:
        producer.commit_transaction(10)
    else:
        producer.abort_transaction(10)
