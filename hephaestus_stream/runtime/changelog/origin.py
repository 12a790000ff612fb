"""Where the state of a namespace's partitions comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rocksdict import Cache

from hephaestus_stream.runtime.changelog.following import ChangelogTopic
from hephaestus_stream.runtime.commands_log import CommandsLog
from hephaestus_stream.wire.connection import Connection


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the state of a namespace's partitions comes from; asked of the cluster once for all of them.

    Attributes:
        connection: The cluster.
        changelog: The topic `state`.
        commands: The topic `commands`.
        folder: The folder of all databases of the namespace.
        cache: The block cache that they share.
    """

    connection: Connection
    changelog: ChangelogTopic
    commands: CommandsLog
    folder: Path
    cache: Cache
