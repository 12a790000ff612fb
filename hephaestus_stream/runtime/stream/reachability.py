"""Whether a broker answers, asked before anything else starts: the clients themselves would retry for minutes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hephaestus_stream.kafka_client import require_broker
from hephaestus_stream.wire.connection import Connection


async def check_reachable(connection: Connection, timeout: timedelta = timedelta(seconds=5)) -> None:  # noqa: ASYNC109
    """Ask the cluster for its brokers.

    Args:
        connection: Whose address to ask.
        timeout: How long to wait for an answer; librdkafka's own, since a thread cannot be cancelled.

    Raises:
        BrokerUnreachableError: No broker answered in time.
        BrokerRefusedError: One refuses the connection's credentials, or speaks another protocol.
        SettingsError: librdkafka refuses an option of the connection.
    """
    await asyncio.to_thread(require_broker, connection, patience=timeout)
