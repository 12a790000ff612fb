"""A real Kafka on this machine, without Docker: one broker, or a cluster of several."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

from hephaestus_stream.errors import LocalKafkaError
from hephaestus_stream.local_kafka.artifacts import KafkaArtifacts, Progress, silent
from hephaestus_stream.local_kafka.folder import BrokerFolder, BrokerRecord, KafkaFolder
from hephaestus_stream.local_kafka.health import serves
from hephaestus_stream.local_kafka.java import Java, find_java
from hephaestus_stream.local_kafka.launch import BrokerEndedError, Launch
from hephaestus_stream.local_kafka.locks import exclusive, is_held
from hephaestus_stream.local_kafka.process import (
    KafkaCommand,
    format_storage,
    new_cluster_id,
    signal_broker,
    stop_broker,
)
from hephaestus_stream.local_kafka.status import BrokerStatus, LocalKafkaStatus

_STOP_PATIENCE = timedelta(seconds=20)
_ATTEMPTS = 3


def _java_of_this_process() -> Java:
    return find_java(os.environ)


class LocalKafka:
    """The local Kafka of one folder: brokers that run on by themselves, and their data.

    Every method works from any process: what is known lies in the folder, and whether a broker lives is told by a
    lock that it holds. Brokers are named by their numbers, from 1.

    Attributes:
        port: The port of the first broker. Without it the port of the last start is kept, or a free one chosen.
    """

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int | None = None,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
        artifacts: KafkaArtifacts | None = None,
        java: Callable[[], Java] = _java_of_this_process,
    ) -> None:
        if brokers is not None and brokers < 1:
            raise LocalKafkaError(f"{brokers} is no number of brokers: write 1 or more.")
        self._folder = KafkaFolder(folder.absolute())
        self._brokers = brokers
        self.port = port
        self._properties = properties or {}
        self._on_progress = on_progress or silent
        self._artifacts = artifacts or KafkaArtifacts()
        self._java = java

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers for clients, also of those that do not run.

        Raises:
            LocalKafkaError: They were never started.
        """
        return ",".join(record.bootstrap for record in self._records().values())

    @property
    def node_ids(self) -> tuple[int, ...]:
        """The numbers of its brokers."""
        return tuple(folder.node_id for folder in self._folder.brokers())

    def up(self) -> LocalKafkaStatus:
        """All brokers running; those that do not run are started now, side by side.

        Whatever interrupts a start, Ctrl-C included, leaves no process of it behind.

        Raises:
            JavaNotFoundError: No Java is new enough.
            ArtifactsUnavailableError: Kafka's jars cannot be had.
            LocalKafkaError: The port is taken, a broker did not start (the message has the end of its log), or the
                folder holds another number of brokers.
        """
        self._folder.prepare(self._brokers)
        with exclusive(self._folder.turn):
            self._start(self._folder.brokers())
        self._on_progress("ready")
        return self._status(all_ready=True)

    def down(self, *, patience: timedelta = _STOP_PATIENCE) -> bool:
        """Stops all brokers and keeps their data; False if none ran.

        Args:
            patience: How long they may take to stop in order before they are killed; zero kills at once.
        """
        if not self._folder.path.is_dir():
            return False
        return self._stop(self._folder.brokers(), patience=patience)

    def status(self) -> LocalKafkaStatus | None:
        """The brokers, and which of them run and answer; None if none runs."""
        living = [folder for folder in self._folder.brokers() if folder.record() and is_held(folder.life)]
        return self._status(all_ready=False) if living else None

    def start(self, *node_ids: int) -> None:
        """Starts these brokers again, where they were, and waits until they serve.

        Most of the cluster must run for that, so start together what makes most of it.

        Raises:
            LocalKafkaError: One did not start or did not come to serve.
        """
        with exclusive(self._folder.turn):
            self._start([self._of(node_id) for node_id in node_ids])

    def stop(self, *node_ids: int, patience: timedelta = _STOP_PATIENCE) -> None:
        """Stops these brokers in order, so that others take over what they lead; kills those that take too long."""
        self._stop([self._of(node_id) for node_id in node_ids], patience=patience)

    def kill(self, *node_ids: int) -> None:
        """Kills these brokers as `kill -9` does, and returns when they are gone."""
        self._stop([self._of(node_id) for node_id in node_ids], patience=timedelta())

    def pause(self, *node_ids: int) -> None:
        """Freezes these brokers: their connections stay open, and nothing answers."""
        for node_id in node_ids:
            signal_broker(self._of(node_id), signal.SIGSTOP)

    def resume(self, *node_ids: int) -> None:
        """Lets frozen brokers go on."""
        for node_id in node_ids:
            signal_broker(self._of(node_id), signal.SIGCONT)

    def _of(self, node_id: int) -> BrokerFolder:
        for folder in self._folder.brokers():
            if folder.node_id == node_id:
                return folder
        known = ", ".join(str(known) for known in self.node_ids)
        raise LocalKafkaError(f"The local Kafka of {self._folder.path} has no broker {node_id}, but {known}.")

    def _start(self, wanted: Sequence[BrokerFolder]) -> None:
        for attempts_left in reversed(range(_ATTEMPTS)):
            living = {folder: record for folder in self._folder.brokers() if (record := _living(folder))}
            self._check_port(living)
            try:
                launch = Launch(self._folder.brokers(), living=living, first_port=self.port, more=self._properties)
                dead = [folder for folder in wanted if folder not in living]
                if dead:
                    launch.run(self._kafka(), dead, on_progress=self._on_progress)
                launch.wait_until_ready(wanted)
            except BrokerEndedError as ended:
                # Between choosing a free port and listening on it another program may take it; a broker of an earlier
                # start may have been ending just now.
                mends = ended.folder in living or (ended.port_was_taken and not living and self.port is None)
                if not mends or not attempts_left:
                    raise
            else:
                return

    def _kafka(self) -> KafkaCommand:
        folders = self._folder.brokers()
        kafka = KafkaCommand(
            self._java(), self._artifacts.jars(self._on_progress), "512m" if len(folders) == 1 else "384m"
        )
        formatted = [folder for folder in folders if folder.data.is_dir()]
        missing = [folder for folder in folders if folder not in formatted]
        if missing:
            self._on_progress("formatting storage")
            cluster_id = formatted[0].cluster_id() if formatted else new_cluster_id()
            with ThreadPoolExecutor(len(missing)) as formatters:
                list(formatters.map(partial(format_storage, kafka, cluster_id=cluster_id), missing))
        return kafka

    def _stop(self, folders: Sequence[BrokerFolder], *, patience: timedelta) -> bool:
        if not folders:
            return False
        with exclusive(self._folder.turn), ThreadPoolExecutor(len(folders)) as stoppers:
            return any(list(stoppers.map(partial(stop_broker, patience=patience), folders)))

    def _check_port(self, living: Mapping[BrokerFolder, BrokerRecord]) -> None:
        for folder, record in living.items():
            if folder.node_id == 1 and self.port not in {None, record.port}:
                raise LocalKafkaError(
                    f"The local Kafka of {self._folder.path} already runs on {record.bootstrap}, not on port "
                    f"{self.port}. Stop it first: hephaestus kafka down."
                )

    def _records(self) -> dict[BrokerFolder, BrokerRecord]:
        records = {folder: record for folder in self._folder.brokers() if (record := folder.record())}
        if len(records) < len(self._folder.brokers()):
            raise LocalKafkaError(f"The local Kafka of {self._folder.path} was never started: hephaestus kafka up.")
        return records

    def _status(self, *, all_ready: bool) -> LocalKafkaStatus:
        records = self._records()
        with ThreadPoolExecutor(len(records)) as askers:
            brokers = tuple(askers.map(partial(_status_of, known_ready=all_ready), records.keys(), records.values()))
        first = next(iter(records.values()))
        return LocalKafkaStatus(
            bootstrap=self.bootstrap,
            version=first.version,
            cluster_id=first.cluster_id,
            folder=self._folder.path,
            brokers=brokers,
        )


def _living(folder: BrokerFolder) -> BrokerRecord | None:
    record = folder.record()
    if record is None:
        # A broker of which nothing is known, because somebody deleted the state file, is of no use.
        stop_broker(folder, patience=_STOP_PATIENCE)
    return record if record is not None and is_held(folder.life) else None


def _status_of(folder: BrokerFolder, record: BrokerRecord, *, known_ready: bool) -> BrokerStatus:
    running = is_held(folder.life)
    return BrokerStatus(
        node_id=record.node_id,
        address=record.bootstrap,
        port=record.port,
        pid=folder.pid() if running else None,
        started_at=record.started_at,
        log=folder.log,
        running=running,
        ready=running and (known_ready or serves(record)),
    )
