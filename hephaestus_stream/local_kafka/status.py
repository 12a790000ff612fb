"""What is known about a local Kafka, and the file that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from hephaestus_stream.local_kafka.ports import HOST


@dataclass(frozen=True, slots=True)
class LocalKafkaStatus:
    """A local Kafka whose process is alive.

    Attributes:
        bootstrap: The address for clients, `127.0.0.1:port`.
        port: The port of that address.
        pid: The broker's process; None in the instant before it has written its id.
        version: The version of Kafka.
        cluster_id: The cluster's id, the same after every restart on this folder.
        started_at: When the process was started.
        folder: The folder of everything it keeps.
        log: The broker's log file.
        ready: Whether it answered a metadata request just now.
    """

    bootstrap: str
    port: int
    pid: int | None
    version: str
    cluster_id: str
    started_at: datetime
    folder: Path
    log: Path
    ready: bool


class BrokerRecord(msgspec.Struct, frozen=True):
    """The content of the state file: the broker started last in a folder, dead or alive."""

    port: int
    controller_port: int
    version: str
    cluster_id: str
    started_at: datetime

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class BrokerFolder:
    """The files of one local Kafka."""

    path: Path

    @property
    def data(self) -> Path:
        """Kafka's log folder; it exists when it is formatted."""
        return self.path / "data"

    @property
    def log(self) -> Path:
        """What the broker prints."""
        return self.path / "broker.log"

    @property
    def properties(self) -> Path:
        """The broker's configuration, written anew at each start."""
        return self.path / "server.properties"

    @property
    def turn(self) -> Path:
        """The lock of whoever starts or stops the broker."""
        return self.path / "turn.lock"

    @property
    def life(self) -> Path:
        """The lock that the broker holds while it lives."""
        return self.path / "broker.lock"

    @property
    def state(self) -> Path:
        """The state file."""
        return self.path / "state.json"

    @property
    def pid_file(self) -> Path:
        """Where the broker's process writes its id, as its first act."""
        return self.path / "broker.pid"

    def pid(self) -> int | None:
        """The process id of the broker started last; None while it has not written it."""
        try:
            return int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def record(self) -> BrokerRecord | None:
        """The record of the last start; None if there is none, or none that can be read."""
        try:
            return msgspec.json.decode(self.state.read_bytes(), type=BrokerRecord)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_record(self, record: BrokerRecord) -> None:
        """Replaces the state file in one piece, so that a reader never sees half of it."""
        fresh = self.state.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
        fresh.replace(self.state)

    def cluster_id(self) -> str:
        """The cluster id that the data was formatted with."""
        lines = (self.data / "meta.properties").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)["cluster.id"]

    def last_log_lines(self, count: int = 15) -> str:
        """The end of the log, for an error message."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except FileNotFoundError:
            return ""
