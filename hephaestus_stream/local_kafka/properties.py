"""The configuration of a broker: a node that is its own controller too, small and quick to start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hephaestus_stream.local_kafka.ports import HOST

# So many copies Kafka's users take for granted; two of them must have a record before it counts as written.
_COPIES = 3
_EXTENDED = frozenset({"listeners", "advertised.listeners", "listener.security.protocol.map"})


@dataclass(frozen=True, slots=True)
class Node:
    """Where a node of the cluster listens on the loopback address.

    Attributes:
        id: Its number.
        port: For clients and other brokers.
        controller_port: For the controllers' quorum.
    """

    id: int
    port: int
    controller_port: int


def server_properties(
    data: Path, node: Node, *, voters: Sequence[Node], more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The properties of one KRaft node, broker and controller.

    Args:
        data: Its log folder.
        node: The node itself.
        voters: All nodes of the cluster, this one among them.
        more: Properties in place of these; lists of listeners are extended rather than replaced.
    """
    copies = str(min(_COPIES, len(voters)))
    needed = "2" if len(voters) >= _COPIES else "1"
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        # Static voters: they may move to another port at the next start, which voters written to the log may not.
        "controller.quorum.voters": ",".join(f"{voter.id}@{HOST}:{voter.controller_port}" for voter in voters),
        "listeners": f"CLIENT://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"CLIENT://{HOST}:{node.port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        # A misspelt topic should be an error, as it is in production.
        "auto.create.topics.enable": "false",
        # Workers of a demo or a test join one by one; waiting three seconds for more of them helps nobody.
        "group.initial.rebalance.delay.ms": "0",
        "default.replication.factor": copies,
        "min.insync.replicas": needed,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": needed,
        "transaction.state.log.num.partitions": "8",
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": needed,
        # Compacted topics are small here; the default of 128 MB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": "4194304",
        # Small logs are cleaned soon: nobody waits half a minute to see a compaction on his own machine.
        "log.initial.task.delay.ms": "500",
        "log.cleaner.backoff.ms": "500",
    }
    for name, value in (more or {}).items():
        properties[name] = f"{properties[name]},{value}" if name in _EXTENDED else value
    return properties


def rendered(properties: Mapping[str, str]) -> str:
    """The text of a Java properties file; a backslash of a path would be read as an escape."""
    return "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in properties.items())
