"""The configuration of a local Kafka: one node, its own controller, small and quick to start."""

from __future__ import annotations

from pathlib import Path

from hephaestus_stream.local_kafka.ports import HOST


def server_properties(data: Path, *, port: int, controller_port: int) -> dict[str, str]:
    """The properties of a single KRaft node that is broker and controller and listens on the loopback address only."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        # Static voters: they may move to another port at the next start, which voters written to the log may not.
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"CLIENT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"CLIENT://{HOST}:{port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        # A misspelt topic should be an error, as it is in production.
        "auto.create.topics.enable": "false",
        # Workers of a demo or a test join one by one; waiting three seconds for more of them helps nobody.
        "group.initial.rebalance.delay.ms": "0",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "8",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Compacted topics are small here; the default of 128 MB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": "4194304",
        # Small logs are cleaned soon: nobody waits half a minute to see a compaction on his own machine.
        "log.initial.task.delay.ms": "500",
        "log.cleaner.backoff.ms": "500",
    }


def rendered(properties: dict[str, str]) -> str:
    """The text of a Java properties file; a backslash of a path would be read as an escape."""
    return "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in properties.items())
