"""Publishes records that no sound client can write, such as header names that are not UTF-8."""

# mypy: disable-error-code="import-untyped"
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

Header = tuple[bytes, bytes | None]
Record = tuple[bytes | None, bytes | None, Sequence[Header]]


class _Name(str):
    """A header name of any bytes, which the builder asks to encode itself."""

    __slots__ = ("content",)
    content: bytes

    def __new__(cls, content: bytes) -> Self:
        made = super().__new__(cls)
        made.content = content
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.content


def fill(batch: _DefaultRecordBatchBuilderPy, records: Sequence[Record]) -> None:
    """Writes records as (key, value, headers) into a batch."""
    for offset, (key, value, headers) in enumerate(records):
        named: list[tuple[str, bytes | None]] = [(_Name(name), content) for name, content in headers]
        batch.append(offset, None, key=key, value=value, headers=named)


def batch_of(*records: Record, compression: int = 0) -> bytes:
    """A batch as it lies in a fetch."""
    batch = _new_batch(compression)
    fill(batch, records)
    return bytes(batch.build())


def publish(connection: Connection, *records: Record, partition: int) -> None:
    """Publishes commands into a partition, in one batch."""

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=connection.bootstrap) as producer:
            batch = producer.create_batch()
            batch._builder = _new_batch(0)
            fill(batch._builder, records)
            batch._relative_offset = len(records)
            batch.close()
            await (await producer.send_batch(batch, Topics(connection.namespace).commands, partition=partition))

    asyncio.run(send())


def _new_batch(compression: int) -> _DefaultRecordBatchBuilderPy:
    return _DefaultRecordBatchBuilderPy(
        2,
        compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=10_000_000,
    )
