"""What all clients of Kafka share."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from hephaestus_stream.kafka_client import serve


def caused_by(cause: BaseException | None) -> SystemError:
    error = SystemError("<flush> returned NULL without setting an exception")
    error.__cause__ = cause
    return error


DENIED = KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "denied", fatal=True))


@pytest.mark.parametrize(
    ("raised", "name"),
    [
        (DENIED, "CLUSTER_AUTHORIZATION_FAILED"),
        (caused_by(DENIED), "CLUSTER_AUTHORIZATION_FAILED"),
        (caused_by(None), "_FATAL"),
    ],
)
def test_a_fatal_error_that_serving_a_producer_raises_is_heard(raised: Exception, name: str) -> None:
    heard: list[KafkaError] = []

    def poll(_seconds: float) -> int:
        raise raised

    assert serve(poll, 0.1, hear=heard.append) == 0
    assert [(error.name(), error.fatal()) for error in heard] == [(name, True)]


def test_what_else_breaks_while_a_producer_is_served_is_not_swallowed() -> None:
    def poll(_seconds: float) -> int:
        raise caused_by(ZeroDivisionError())

    with pytest.raises(SystemError):
        serve(poll, 0.1, hear=lambda _error: None)
