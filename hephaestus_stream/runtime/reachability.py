"""Whether a broker answers, asked before anything else starts: the clients themselves would retry for minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from hephaestus_stream.errors import BrokerUnreachableError, SettingsError
from hephaestus_stream.wire.connection import Connection


def _ignore(_error: object) -> None:
    """Librdkafka would otherwise write each refused connection to standard error."""


async def check_reachable(connection: Connection, timeout: timedelta = timedelta(seconds=5)) -> None:  # noqa: ASYNC109
    """Ask the cluster for its brokers.

    Args:
        connection: Whose address to ask.
        timeout: How long to wait for an answer; librdkafka's own, since a thread cannot be cancelled.

    Raises:
        BrokerUnreachableError: No broker answered in time.
        SettingsError: librdkafka refuses an option of the connection.
    """
    client = _client(connection)
    try:
        await asyncio.to_thread(client.list_topics, timeout=timeout.total_seconds())
    except KafkaException as error:
        raise BrokerUnreachableError(
            f"no Kafka broker answers at {connection.bootstrap} within {timeout.total_seconds():g} s "
            f"({_reason(error)}): is it running, and are the address and `security.protocol` right?"
        ) from error


def _client(connection: Connection) -> AdminClient:
    # log_level 0: what went wrong on the way is told once, by the error.
    settings: Mapping[str, object] = {**connection.librdkafka(), "log_level": 0, "error_cb": _ignore}
    try:
        return AdminClient(cast(dict[str, str | int | float | bool], settings))  # its stub forgets callbacks
    except KafkaException as error:
        raise SettingsError(f"an option of the Kafka connection is wrong: {_reason(error)}") from error


def _reason(error: KafkaException) -> str:
    cause = cast(object, error.args[0])
    return cause.str() if isinstance(cause, KafkaError) else str(cause)
