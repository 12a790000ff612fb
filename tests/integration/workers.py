"""Real workers in processes of their own, and a publisher of commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from confluent_kafka import Producer

from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics
from tests.chaos.process import Terms, WorkerProcess
from tests.integration.flows import FOLDER

PARTITIONS = 4
SESSION_SECONDS = 6
_PATIENCE_SECONDS = 90
ASKS = (("reply_partition", b"0"),)


class Worker(WorkerProcess):
    """`hephaestus worker` as a process; with switches for tests where the environment has any."""

    def __init__(
        self, connection: Connection, *, data: Path, steps: Path, module: str, environment: Mapping[str, str]
    ) -> None:
        is_switched = any(name.startswith("CHAOS_") for name in environment)
        program = ["tests.chaos.worker"] if is_switched else ["hephaestus_stream.cli", "worker"]
        super().__init__(
            Terms(
                connection,
                partitions=PARTITIONS,
                session_seconds=SESSION_SECONDS,
                environment={FOLDER: str(steps)},
            ),
            data=data,
            arguments=[*program, module],
            switches=environment,
        )


class Workers:
    """Starts workers of one namespace, and ends them all with the test."""

    def __init__(self, connection: Connection, folder: Path, *, steps: Path | None = None) -> None:
        self.connection = connection
        self.steps = steps or folder / "steps"
        self.steps.mkdir(exist_ok=True)
        self._folder = folder
        self._started: list[Worker] = []

    def start(self, data: str = "worker", *, module: str = "tests.integration.flows", **environment: str) -> Worker:
        worker = Worker(
            self.connection, data=self._folder / data, steps=self.steps, module=module, environment=environment
        )
        self._started.append(worker)
        return worker

    def started(self, data: str = "worker", *, module: str = "tests.integration.flows", **environment: str) -> Worker:
        """A worker that owns partitions already."""
        worker = self.start(data, module=module, **environment)
        self.until(lambda: bool(worker.partitions), of=[worker])
        return worker

    def until(self, condition: Callable[[], bool], *, of: Sequence[Worker] = ()) -> None:
        """Waits for a condition while these workers live."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            for worker in of:
                assert worker.is_running, f"a worker ended with {worker.process.returncode}:\n{worker.told()[-5_000:]}"
            logs = "\n".join(worker.told()[-3_000:] for worker in self._started)
            assert time.monotonic() < deadline, f"the condition never became true; the workers say\n{logs}"
            time.sleep(0.05)

    def databases(self, data: str = "worker") -> Path:
        """The folder with one database for each partition."""
        return self._folder / data / self.connection.namespace / "shards"

    def executed(self, what: str) -> list[tuple[str, int, int]]:
        """The executions of a step, as (idempotency key, attempt, process)."""
        log = self.steps / "executed"
        lines = log.read_text().splitlines() if log.exists() else []
        fields = [line.split() for line in lines]
        return [(key, int(attempt), int(pid)) for kind, key, attempt, pid in fields if kind == what]

    def release(self, id: str) -> None:  # noqa: A002 - the wire's own word
        """Lets a `Hold` step end."""
        (self.steps / id).touch()

    def end(self) -> None:
        for worker in self._started:
            if worker.is_running:
                worker.kill()


class Publisher:
    """Publishes commands as any program may."""

    def __init__(self, connection: Connection) -> None:
        self._producer = Producer(
            connection.librdkafka(partitioner="murmur2_random", enable_idempotence=True, linger_ms=0)
        )
        self._topic = Topics(connection.namespace).commands

    def send(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self._producer.produce(self._topic, encode_command(command), command.key, headers=list(ASKS))
        assert self._producer.flush(20) == 0

    def send_raw(
        self, value: bytes | None, *, key: bytes, partition: int = -1, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        self._producer.produce(self._topic, value, key, partition, headers=list(headers))
        assert self._producer.flush(20) == 0
