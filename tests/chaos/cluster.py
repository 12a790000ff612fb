"""The brokers of a run, and what can be done to them."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from hephaestus_stream.local_kafka import LocalKafka


class Cluster(Protocol):
    """A Kafka whose brokers can be killed and frozen, by their numbers from 0 on; the calls block."""

    @property
    def bootstrap(self) -> str:
        """Its address."""
        ...

    @property
    def size(self) -> int:
        """How many brokers it has; 0 for one that is not ours to break."""
        ...

    def kill(self, number: int) -> None:
        """Kills a broker, as `kill -9`."""
        ...

    def freeze(self, number: int) -> None:
        """Stops a broker in the midst of whatever it does."""
        ...

    def heal(self) -> None:
        """Lets all brokers run again."""
        ...


class ForeignCluster:
    """A Kafka that runs anyway, and is left alone."""

    size = 0

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def kill(self, number: int) -> None:
        raise NotImplementedError(f"broker {number} is not ours to kill")

    def freeze(self, number: int) -> None:
        raise NotImplementedError(f"broker {number} is not ours to freeze")

    def heal(self) -> None:
        """Nothing was broken."""


class SingleBroker:
    """One broker of our own; it keeps its port and its data."""

    size = 1

    def __init__(self, folder: Path) -> None:
        self._kafka = LocalKafka(folder)
        self.bootstrap = self._kafka.up().bootstrap
        # From now on it comes back where its clients look for it.
        self._kafka.port = int(self.bootstrap.rpartition(":")[2])

    def kill(self, number: int) -> None:
        del number
        self._kafka.down(patience=timedelta())

    def freeze(self, number: int) -> None:
        del number
        self._signal(signal.SIGSTOP)

    def heal(self) -> None:
        self._signal(signal.SIGCONT)
        self._kafka.up()

    def _signal(self, number: signal.Signals) -> None:
        status = self._kafka.status()
        if status is not None and status.pid is not None:
            os.kill(status.pid, number)


@contextmanager
def own_cluster(brokers: int) -> Generator[Cluster]:
    """A cluster for the length of the block."""
    if brokers != 1:
        raise NotImplementedError("one broker")
    folder = Path(tempfile.mkdtemp(prefix="chaos-kafka-"))
    try:
        cluster = SingleBroker(folder)
        yield cluster
    finally:
        LocalKafka(folder).down(patience=timedelta())
        shutil.rmtree(folder, ignore_errors=True)
