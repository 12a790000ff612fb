"""A cluster whose brokers come back: some answer, and do not know its topics, its controller or each other yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from hephaestus_stream.errors import ClusterNotReadyError
from hephaestus_stream.kafka_client import kafka_error
from hephaestus_stream.wire.connection import Connection

READY_WITHIN: Final = timedelta(seconds=20)
_PAUSE_SECONDS: Final = 0.2

_Answer = TypeVar("_Answer")

_PASSING: Final = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 - librdkafka's own errors are spelled with an underscore
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)


def not_ready(connection: Connection, why: str) -> ClusterNotReadyError:
    """The error that names the address and the way out."""
    return ClusterNotReadyError(
        f"the Kafka cluster at {connection.bootstrap} is not ready: {why}; its brokers may be starting: try again "
        "when they all run"
    )


def is_passing(error: KafkaError) -> bool:
    """Whether an error speaks of a cluster that is not ready, rather than of what it was asked."""
    return error.code() in _PASSING


def answer_of(future: Future[_Answer], connection: Connection) -> _Answer:
    """What an administration's future brings.

    Raises:
        ClusterNotReadyError: The cluster is not ready.
        KafkaException: Any other error.
    """
    try:
        return future.result()
    except KafkaException as failure:
        error = kafka_error(failure)
        if is_passing(error):
            raise not_ready(connection, error.str()) from failure
        raise


def once_ready(ask: Callable[[], _Answer], *, patience: timedelta = READY_WITHIN) -> _Answer:
    """What is answered, once the cluster is ready.

    Raises:
        ClusterNotReadyError: It was not in time.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            return ask()
        except ClusterNotReadyError:
            if time.monotonic() > deadline:
                raise
        threading.Event().wait(_PAUSE_SECONDS)
