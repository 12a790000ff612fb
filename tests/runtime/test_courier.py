"""What the courier says of commands that no broker takes."""

# The administrator's futures have no types:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]  # isort: skip  # pyright: ignore[reportPrivateImportUsage]

from hephaestus_stream.cycle.batch import Forward
from hephaestus_stream.runtime.courier import Courier
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics
from tests.runtime.test_shard import until


async def test_a_command_that_no_broker_takes_is_told_once_until_it_is_forwarded(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    courier = Courier(
        replace(connection, options={"topic.metadata.refresh.interval.ms": "100"}), on_refusal=lambda: None
    )
    with caplog.at_level(logging.INFO, "hephaestus_stream.runtime.courier"):
        sent = asyncio.create_task(courier.forward([Forward(1, b"key", b"value", [])]))
        await until(lambda: "it is tried until a broker takes it" in caplog.text)
        topic = Topics(connection.namespace).commands
        admin = AdminClient(connection.librdkafka())
        await asyncio.to_thread(admin.create_partitions([NewPartitions(topic, 2)])[topic].result)
        await sent
    courier.close()

    told = [record.levelname for record in caplog.records if record.name == "hephaestus_stream.runtime.courier"]
    assert told == ["INFO", "WARNING"]
