"""Where the state of a namespace's partitions comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rocksdict import Cache

from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.commands_log import CommandsLog
from hephaestus_stream.wire.connection import Connection


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the state of a namespace's partitions comes from; one for all of a worker, used from several threads.

    Attributes:
        connection: The cluster.
        cluster: Whom to ask what the topics are.
        commands: The offsets of the topic `commands`.
        folder: The folder of all databases of the namespace.
        cache: The block cache that they share.
    """

    connection: Connection
    cluster: Cluster
    commands: CommandsLog
    folder: Path
    cache: Cache

    @classmethod
    def of(cls, connection: Connection, *, folder: Path, cache: Cache) -> Origin:
        """The origin of a namespace."""
        return cls(connection, Cluster(connection), CommandsLog(connection), folder, cache)

    def close(self) -> None:
        """Lets the clients go."""
        self.commands.close()
