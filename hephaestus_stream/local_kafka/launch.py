"""The start of brokers side by side: where each listens, its process, and the wait until it serves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from hephaestus_stream.errors import LocalKafkaError
from hephaestus_stream.local_kafka.artifacts import KAFKA_VERSION, Progress
from hephaestus_stream.local_kafka.folder import BrokerFolder, BrokerRecord
from hephaestus_stream.local_kafka.health import serves
from hephaestus_stream.local_kafka.locks import is_held
from hephaestus_stream.local_kafka.ports import HOST, free_ports, is_free
from hephaestus_stream.local_kafka.process import KafkaCommand, reap, spawn_broker, stop_broker
from hephaestus_stream.local_kafka.properties import Node, rendered, server_properties

_PATIENCE = timedelta(seconds=60)
_POLL_SECONDS = 0.05


class BrokerEndedError(LocalKafkaError):
    """A broker ended before it served; `port_was_taken` says whether somebody else had its port."""

    def __init__(self, folder: BrokerFolder) -> None:
        self.folder = folder
        self.port_was_taken = "Address already in use" in folder.last_log_lines(200)
        super().__init__(_failure(folder, "ended while it started"))


class Launch:
    """One attempt to get brokers of a cluster running; a failure leaves nothing that it started."""

    def __init__(
        self,
        folders: Sequence[BrokerFolder],
        *,
        living: Mapping[BrokerFolder, BrokerRecord],
        first_port: int | None,
        more: Mapping[str, str],
    ) -> None:
        self._living = living
        self._more = more
        self._nodes = _placed(folders, living=living, first_port=first_port)
        self._started: list[BrokerFolder] = []

    def run(self, kafka: KafkaCommand, folders: Sequence[BrokerFolder], *, on_progress: Progress) -> None:
        """Starts the processes of these brokers."""
        on_progress("starting")
        try:
            # All of them before any runs: a broker that is not started yet keeps its place for the others.
            for folder, node in self._nodes.items():
                if folder not in self._living:
                    self._write_down(folder, node)
            for folder in folders:
                self._started.append(folder)
                spawn_broker(kafka, folder)
        except BaseException:
            self._undo()
            raise

    def wait_until_ready(self, folders: Sequence[BrokerFolder]) -> None:
        """Waits until these brokers serve.

        Raises:
            BrokerEndedError: One ended before.
            LocalKafkaError: One did not answer in time.
        """
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        try:
            for folder in folders:
                while not (record := folder.record()) or not serves(record):
                    _check(folders, expired=time.monotonic() >= deadline, awaited=folder)
                    time.sleep(_POLL_SECONDS)
        except BaseException:
            self._undo()
            raise

    def _write_down(self, folder: BrokerFolder, node: Node) -> None:
        voters = list(self._nodes.values())
        properties = server_properties(folder.data, node, voters=voters, more=self._more)
        folder.properties.write_text(rendered(properties))
        folder.write_record(
            BrokerRecord(
                port=node.port,
                controller_port=node.controller_port,
                version=KAFKA_VERSION,
                cluster_id=folder.cluster_id(),
                started_at=datetime.now(UTC),
                node_id=node.id,
            )
        )

    def _undo(self) -> None:
        for folder in self._started:
            stop_broker(folder, patience=timedelta())


def _placed(
    folders: Sequence[BrokerFolder], *, living: Mapping[BrokerFolder, BrokerRecord], first_port: int | None
) -> dict[BrokerFolder, Node]:
    """Where each broker listens: where it did last, unless somebody else does so now and no broker runs yet."""
    records = {folder: folder.record() for folder in folders}
    known = {port for record in records.values() if record for port in (record.port, record.controller_port)}
    fresh = iter([port for port in free_ports(4 * len(folders)) if port not in known])
    given = {folder: first_port for folder in folders if folder.node_id == 1 and first_port is not None}
    if first_port is not None and not living and not is_free(first_port):
        raise LocalKafkaError(
            f"Port {first_port} of {HOST} is taken by another program. Choose another port, or none for a free one."
        )

    def kept(port: int | None) -> int:
        # Those that run know the others where they were.
        return port if port is not None and (living or is_free(port)) else next(fresh)

    nodes: dict[BrokerFolder, Node] = {}
    for folder, last in records.items():
        port = given.get(folder) or kept(last.port if last else None)
        nodes[folder] = Node(folder.node_id, port, kept(last.controller_port if last else None))
    return nodes


def _check(folders: Sequence[BrokerFolder], *, expired: bool, awaited: BrokerFolder) -> None:
    for folder in folders:
        if not is_held(folder.life):
            reap(folder)
            raise BrokerEndedError(folder)
    if expired:
        record = awaited.record()
        where = record.bootstrap if record else "its port"
        raise LocalKafkaError(_failure(awaited, f"did not answer on {where} within {_PATIENCE.seconds} s"))


def _failure(folder: BrokerFolder, what: str) -> str:
    return f"Kafka {KAFKA_VERSION} {what}. The end of {folder.log}:\n{folder.last_log_lines()}"
