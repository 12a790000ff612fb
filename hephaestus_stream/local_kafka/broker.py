"""A real Kafka broker on this machine, without Docker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hephaestus_stream.errors import LocalKafkaError
from hephaestus_stream.local_kafka.artifacts import KAFKA_VERSION, KafkaArtifacts, Progress, silent
from hephaestus_stream.local_kafka.health import serves
from hephaestus_stream.local_kafka.java import Java, find_java
from hephaestus_stream.local_kafka.locks import exclusive, is_held
from hephaestus_stream.local_kafka.ports import HOST, free_port, is_free
from hephaestus_stream.local_kafka.process import KafkaCommand, format_storage, reap, spawn_broker, stop_broker
from hephaestus_stream.local_kafka.properties import rendered, server_properties
from hephaestus_stream.local_kafka.status import BrokerFolder, BrokerRecord, LocalKafkaStatus

_START_PATIENCE = timedelta(seconds=60)
_STOP_PATIENCE = timedelta(seconds=20)
_POLL_SECONDS = 0.05
_ATTEMPTS = 3


def _java_of_this_process() -> Java:
    return find_java(os.environ)


class LocalKafka:
    """The local Kafka of one folder: a broker that runs on by itself, and its data.

    Every method works from any process: what is known lies in the folder, and whether the broker lives is told by a
    lock that it holds.

    Attributes:
        port: The port to listen on. Without it the port of the last start is kept, or a free one chosen.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        on_progress: Progress | None = None,
        artifacts: KafkaArtifacts | None = None,
        java: Callable[[], Java] = _java_of_this_process,
    ) -> None:
        self._folder = BrokerFolder(folder.absolute())
        self.port = port
        self._on_progress = on_progress or silent
        self._artifacts = artifacts or KafkaArtifacts()
        self._java = java

    def up(self) -> LocalKafkaStatus:
        """The running broker, started now if none runs.

        Whatever interrupts a start, Ctrl-C included, leaves no process behind.

        Raises:
            JavaNotFoundError: No Java is new enough.
            ArtifactsUnavailableError: Kafka's jars cannot be had.
            LocalKafkaError: The port is taken, or the broker did not start; the message has the end of its log.
        """
        self._folder.path.mkdir(parents=True, exist_ok=True)
        with exclusive(self._folder.turn):
            record = self._living() or self._start()
        self._on_progress("ready")
        return self._status_of(record, ready=True)

    def down(self, *, patience: timedelta = _STOP_PATIENCE) -> bool:
        """Stops the broker and keeps its data; False if none ran.

        Args:
            patience: How long it may take to stop in order before it is killed; zero kills at once.
        """
        if not self._folder.path.is_dir():
            return False
        with exclusive(self._folder.turn):
            return stop_broker(self._folder, patience=patience)

    def status(self) -> LocalKafkaStatus | None:
        """The broker whose process is alive, and whether it answers; None if none runs."""
        record = self._folder.record()
        if record is None or not is_held(self._folder.life):
            return None
        return self._status_of(record, ready=serves(record))

    def _living(self) -> BrokerRecord | None:
        record = self._folder.record()
        if record is None:
            # A broker of which nothing is known, because somebody deleted the state file, is of no use.
            stop_broker(self._folder, patience=_STOP_PATIENCE)
        if record is None or not is_held(self._folder.life):
            return None
        if self.port not in {None, record.port}:
            raise LocalKafkaError(
                f"The local Kafka of {self._folder.path} already runs on {record.bootstrap}, not on port {self.port}. "
                "Stop it first: hephaestus kafka down."
            )
        # Whoever started it may have been killed before it was ready; and it may be ending just now.
        return record if self._becomes_ready(record) else None

    def _start(self) -> BrokerRecord:
        if self.port is not None and not is_free(self.port):
            raise LocalKafkaError(
                f"Port {self.port} of {HOST} is taken by another program. Choose another port, or none for a free one."
            )
        java = self._java()
        kafka = KafkaCommand(java, self._artifacts.jars(self._on_progress))
        if not self._folder.data.is_dir():
            self._on_progress("formatting storage")
            format_storage(kafka, self._folder)
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                return self._run(kafka)
            except LocalKafkaError:
                # Between choosing a free port and listening on it another program may take it.
                taken = "Address already in use" in self._folder.last_log_lines(200)
                if self.port is not None or not taken or not attempts_left:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _run(self, kafka: KafkaCommand) -> BrokerRecord:
        self._on_progress("starting")
        port = self.port or self._kept_port() or free_port()
        controller_port = free_port()
        settings = server_properties(self._folder.data, port=port, controller_port=controller_port)
        self._folder.properties.write_text(rendered(settings))
        record = BrokerRecord(
            port=port,
            controller_port=controller_port,
            version=KAFKA_VERSION,
            cluster_id=self._folder.cluster_id(),
            started_at=datetime.now(UTC),
        )
        self._folder.write_record(record)
        try:
            spawn_broker(kafka, self._folder)
            became_ready = self._becomes_ready(record)
        except BaseException:
            stop_broker(self._folder, patience=timedelta())
            raise
        if not became_ready:
            raise self._failure("ended while it started")
        return record

    def _kept_port(self) -> int | None:
        last = self._folder.record()
        return last.port if last is not None and is_free(last.port) else None

    def _becomes_ready(self, record: BrokerRecord) -> bool:
        """Waits until the broker serves; False if it ended before."""
        deadline = time.monotonic() + _START_PATIENCE.total_seconds()
        while not serves(record):
            if not is_held(self._folder.life):
                reap(self._folder)
                return False
            if time.monotonic() >= deadline:
                raise self._failure(f"did not answer on {record.bootstrap} within {_START_PATIENCE.seconds} s")
            time.sleep(_POLL_SECONDS)
        return True

    def _failure(self, what: str) -> LocalKafkaError:
        log = self._folder.log
        return LocalKafkaError(f"Kafka {KAFKA_VERSION} {what}. The end of {log}:\n{self._folder.last_log_lines()}")

    def _status_of(self, record: BrokerRecord, *, ready: bool) -> LocalKafkaStatus:
        return LocalKafkaStatus(
            bootstrap=record.bootstrap,
            port=record.port,
            pid=self._folder.pid(),
            version=record.version,
            cluster_id=record.cluster_id,
            started_at=record.started_at,
            folder=self._folder.path,
            log=self._folder.log,
            ready=ready,
        )
