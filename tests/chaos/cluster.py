"""The brokers of a run, and what can be done to them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from hephaestus_stream.errors import HephaestusError
from hephaestus_stream.local_kafka import LocalKafka, temporary_cluster

_ATTEMPTS: Final = 3


class Cluster(Protocol):
    """A Kafka whose brokers can be killed and frozen, by their numbers; the calls block."""

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers, also of those that are dead."""
        ...

    @property
    def brokers(self) -> Sequence[int]:
        """The numbers of its brokers; none of a cluster that is not ours to break."""
        ...

    def kill(self, *brokers: int) -> None:
        """Kills brokers, as `kill -9` does."""
        ...

    def freeze(self, broker: int) -> None:
        """Stops a broker in the midst of whatever it does."""
        ...

    def heal(self) -> None:
        """Lets all brokers run again, and waits until they serve."""
        ...


class ForeignCluster:
    """A Kafka that runs anyway, and is left alone."""

    brokers: Sequence[int] = ()

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def kill(self, *brokers: int) -> None:
        raise NotImplementedError(f"the brokers {brokers} are not ours to kill")

    def freeze(self, broker: int) -> None:
        raise NotImplementedError(f"broker {broker} is not ours to freeze")

    def heal(self) -> None:
        """Nothing was broken."""


class OwnCluster:
    """Brokers of our own; they keep their ports and data."""

    def __init__(self, kafka: LocalKafka) -> None:
        self._kafka = kafka
        self.bootstrap = kafka.bootstrap
        self.brokers: Sequence[int] = kafka.node_ids
        self._frozen: set[int] = set()

    def kill(self, *brokers: int) -> None:
        self._kafka.kill(*brokers)

    def freeze(self, broker: int) -> None:
        self._kafka.pause(broker)
        self._frozen.add(broker)

    def heal(self) -> None:
        while self._frozen:
            self._kafka.resume(self._frozen.pop())
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                self._kafka.start(*self.brokers)
            except HephaestusError:
                # A Ctrl-C reaches the processes with which a broker is started, too.
                if not attempts_left:
                    raise
            else:
                return


@contextmanager
def own_cluster(brokers: int) -> Generator[Cluster]:
    """A cluster for the length of the block."""
    with temporary_cluster(brokers=brokers) as kafka:
        yield OwnCluster(kafka)
