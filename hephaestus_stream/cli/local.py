"""The local Kafka of the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hephaestus_stream.local_kafka import LocalKafka, LocalKafkaStatus

FOLDER: Final = Path(".hephaestus") / "kafka"


def running_local_kafka() -> LocalKafkaStatus | None:
    """The local Kafka of the current folder, if it runs."""
    return LocalKafka(FOLDER).status()
