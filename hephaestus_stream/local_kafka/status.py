"""What is known about a local Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """One broker of a local Kafka, dead or alive.

    Attributes:
        node_id: Its number in the cluster, from 1.
        address: Where it listens, `127.0.0.1:port`.
        port: The port of that address.
        pid: Its process; None where none lives, and in the instant before it has written its id.
        started_at: When its process was started last.
        log: Its log file.
        running: Whether its process is alive, which a paused one is.
        ready: Whether it answered a metadata request just now, as a member of its cluster.
    """

    node_id: int
    address: str
    port: int
    pid: int | None
    started_at: datetime
    log: Path
    running: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class LocalKafkaStatus:
    """A local Kafka of which at least one process is alive.

    Attributes:
        bootstrap: The address for clients: `127.0.0.1:port` of each broker, separated by commas.
        version: The version of Kafka.
        cluster_id: The cluster's id, the same after every restart on this folder.
        folder: The folder of everything it keeps.
        brokers: Its brokers in the order of their numbers.
    """

    bootstrap: str
    version: str
    cluster_id: str
    folder: Path
    brokers: tuple[BrokerStatus, ...]

    @property
    def ready(self) -> bool:
        """Whether all brokers answer."""
        return all(broker.ready for broker in self.brokers)
