"""The files of a local Kafka: those of each broker, and how they share a folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from hephaestus_stream.errors import LocalKafkaError
from hephaestus_stream.local_kafka.ports import HOST


class BrokerRecord(msgspec.Struct, frozen=True):
    """The content of the state file: the broker started last in a folder, dead or alive."""

    port: int
    controller_port: int
    version: str
    cluster_id: str
    started_at: datetime
    node_id: int = 1

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.port}"


_RECORD: Final = msgspec.json.Decoder(BrokerRecord)


@dataclass(frozen=True, slots=True)
class BrokerFolder:
    """The files of one broker."""

    path: Path
    node_id: int = 1

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
            return _RECORD.decode(self.state.read_bytes())
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


@dataclass(frozen=True, slots=True)
class KafkaFolder:
    """The folder of a local Kafka: the files of its one broker, or one folder `broker-N` for each of several."""

    path: Path

    @property
    def turn(self) -> Path:
        """The lock of whoever starts or stops brokers."""
        return self.path / "turn.lock"

    def brokers(self) -> tuple[BrokerFolder, ...]:
        """The brokers that live here, of which there is one where nothing else was asked for yet."""
        numbers = [int(name) for path in self.path.glob("broker-*") if (name := path.name[7:]).isdigit()]
        if not numbers:
            return (BrokerFolder(self.path),)
        return tuple(BrokerFolder(self.path / f"broker-{number}", number) for number in range(1, max(numbers) + 1))

    def prepare(self, brokers: int | None) -> tuple[BrokerFolder, ...]:
        """Makes room for so many brokers; None takes those that there are.

        Raises:
            LocalKafkaError: The folder holds another number of brokers.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        is_new = not self.brokers()[0].data.is_dir() and len(self.brokers()) == 1
        if is_new and brokers not in {None, 1}:
            # The last one first: an interruption leaves the number that was asked for.
            for number in range(brokers or 1, 0, -1):
                (self.path / f"broker-{number}").mkdir(exist_ok=True)
        found = self.brokers()
        if brokers not in {None, len(found)}:
            raise LocalKafkaError(
                f"The local Kafka of {self.path} has {_count(len(found))} and cannot have {brokers}: the number "
                f"is fixed by its data. Leave the number out, choose another folder, or stop it and delete this one."
            )
        for folder in found:
            folder.path.mkdir(exist_ok=True)
        return found


def _count(brokers: int) -> str:
    return "1 broker" if brokers == 1 else f"{brokers} brokers"
