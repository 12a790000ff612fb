"""The ways that commands may go."""

from __future__ import annotations

from datetime import timedelta

from hephaestus_stream.client.kafka_transport import KafkaTransport
from hephaestus_stream.client.options import Reach
from hephaestus_stream.client.transport import Transport


def transport_of(reach: Reach, *, repeat_after: timedelta, api: tuple[str | None, str | None, str]) -> Transport:
    """The transport of a client.

    Args:
        reach: How it reaches the engine.
        repeat_after: When a command without an answer is sent again by Kafka.
        api: What `api_place` takes.
    """
    if reach.via == "kafka":
        return KafkaTransport(reach.connection, repeat_after=repeat_after, cipher=reach.cipher)
    # Whoever sends by Kafka needs no HTTP, which takes a tenth of a second to import.
    from hephaestus_stream.client.api import api_place  # noqa: PLC0415 - as above
    from hephaestus_stream.client.http_transport import HttpTransport  # noqa: PLC0415 - as above

    return HttpTransport(lambda: api_place(*api), cipher=reach.cipher)
