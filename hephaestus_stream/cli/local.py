"""The local Kafka of the current folder."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hephaestus_stream.local_kafka import LocalKafka, LocalKafkaStatus
from hephaestus_stream.local_kafka.locks import exclusive, is_held

FOLDER: Final = Path(".hephaestus") / "kafka"
_WORKER: Final = Path(".hephaestus") / "worker"


@contextmanager
def told_here() -> Generator[Callable[[str], object]]:
    """Tells the commands of this folder where its worker serves HTTP, for the length of a block.

    Of several workers in it the first is told; its lock says that it lives.
    """
    if is_held(_WORKER):
        yield lambda _url: None
        return
    with exclusive(_WORKER):
        _WORKER.write_text("")
        try:
            yield _WORKER.write_text
        finally:
            _WORKER.unlink(missing_ok=True)


def local_worker() -> str | None:
    """Where the worker of this folder serves HTTP, which `hephaestus dev` has begun."""
    try:
        return _WORKER.read_text() or None if is_held(_WORKER) else None
    except OSError:
        return None


def running_local_kafka() -> LocalKafkaStatus | None:
    """The local Kafka of the current folder, if it runs."""
    return LocalKafka(FOLDER).status()
