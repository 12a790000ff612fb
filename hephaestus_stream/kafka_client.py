"""What all clients of librdkafka share, those of programs and those of workers: patience, its log and its errors."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from hephaestus_stream.errors import BrokerUnreachableError
from hephaestus_stream.wire.connection import Connection

PATIENCE: Final = timedelta(seconds=8)

# librdkafka's own lines, such as each refused connection; they go where the program's lines go.
LIBRDKAFKA_LOG: Final = logging.getLogger("hephaestus_stream.librdkafka")
# Without a handler anywhere Python writes them to stderr, hundreds while a broker is away.
LIBRDKAFKA_LOG.addHandler(logging.NullHandler())


def unreachable(connection: Connection) -> BrokerUnreachableError:
    """The error that names the address and the way out."""
    return BrokerUnreachableError(
        f"no Kafka broker answers at {connection.bootstrap} within {PATIENCE.total_seconds():g} s: is it running "
        f"(`hephaestus dev` starts one), and are the address and `security.protocol` right?"
    )


def kafka_error(failure: KafkaException) -> KafkaError:
    """The error inside librdkafka's exception."""
    error: object = failure.args[0]
    # Every KafkaException of the clients carries one; the type of `args` does not say so.
    assert isinstance(error, KafkaError)  # noqa: S101 - narrows a type
    return error
