"""The local Kafka of the current folder."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hephaestus_stream.local_kafka import LocalKafka, LocalKafkaStatus

FOLDER: Final = Path(".hephaestus") / "kafka"


_WORKER: Final = Path(".hephaestus") / "worker"


@contextmanager
def told_here() -> Generator[Callable[[str], object]]:
    """Tells the commands of this folder where its worker serves HTTP, for the length of a block."""
    try:
        yield _WORKER.write_text
    finally:
        _WORKER.unlink(missing_ok=True)


def local_worker() -> str | None:
    """Where the worker of this folder serves HTTP, which `hephaestus dev` has begun."""
    try:
        return _WORKER.read_text()
    except OSError:
        return None


def running_local_kafka() -> LocalKafkaStatus | None:
    """The local Kafka of the current folder, if it runs."""
    return LocalKafka(FOLDER).status()
