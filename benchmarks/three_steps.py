"""Three no-op steps, from start to committed completion: one worker beside its broker on this machine.

    python benchmarks/three_steps.py
    python benchmarks/three_steps.py --workflows 50000 --partitions 12 --bootstrap localhost:9092

It prints its conditions with its figures. Machines differ and are noisy: compare ratios of one run, not runs.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from types import MappingProxyType
from typing import Annotated

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.local_kafka import temporary_kafka
from hephaestus_stream.wire.command import Command, encode_command, new_id
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import start_command
from hephaestus_stream.wire.topics import Topics

console = Console()

# An idle system gets one workflow at a time, about 50 a second.
PAUSE_SECONDS = 0.01
PATIENCE_SECONDS = 60.0


class NoOp(Step[int]):
    """Does nothing, and says so."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[int]) -> Outcome:  # noqa: ARG002
        """Ends at once."""
        return self.done()


class ThreeSteps(Workflow[int], key="bench"):
    """Three steps one after the other."""

    first = NoOp()
    second = NoOp()
    third = NoOp()
    end = Done()

    start = first
    transitions = (first.done.to(second), second.done.to(third), third.done.to(end))


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    workflows: int
    in_flight: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Workflows a second."""
        return self.workflows / self.seconds


def three_steps(id: str) -> Command:  # noqa: A002 - the wire's own word
    """The start of three no-op steps."""
    return start_command(ThreeSteps, id, 1)


class Load:
    """Starts workflows and sees their completions, as any other program would: over the topics alone.

    Args:
        connection: Where the worker works.
        partitions: How many partitions the topics have.
        command: The start of an id.
    """

    def __init__(
        self, connection: Connection, *, partitions: int, command: Callable[[str], Command] = three_steps
    ) -> None:
        self._command = command
        self._topics = Topics(connection.namespace)
        self._producer = Producer(
            connection.librdkafka(partitioner="murmur2_random", enable_idempotence=True, linger_ms=1)
        )
        self._consumer = Consumer(
            connection.librdkafka(
                group_id=f"{connection.namespace}.bench", isolation_level="read_committed", fetch_wait_max_ms=5
            )
        )
        self._consumer.assign(
            [TopicPartition(self._topics.completions, each, OFFSET_BEGINNING) for each in range(partitions)]
        )

    def start(self, ids: Sequence[str]) -> None:
        """Publishes start commands without waiting for anything."""
        for each in ids:
            command = self._command(each)
            while True:
                try:
                    self._producer.produce(self._topics.commands, encode_command(command), command.key)
                    break
                except BufferError:
                    self._producer.poll(0.01)
            self._producer.poll(0)

    def await_completions(self, wanted: int) -> list[Message]:
        """The next completions: at least one, at most `wanted`."""
        found = self._consumer.consume(1, PATIENCE_SECONDS) + self._consumer.consume(max(wanted - 1, 0), 0)
        completions = [message for message in found if message.error() is None]
        if not completions:
            raise TimeoutError(f"no completion within {PATIENCE_SECONDS} s")
        return completions

    def one_by_one(self, count: int) -> list[float]:
        """Seconds from publishing a start to reading its completion, one workflow at a time."""
        latencies: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            self.start([new_id()])
            self.await_completions(1)
            latencies.append(time.perf_counter() - began)
            time.sleep(PAUSE_SECONDS)
        return latencies

    def many(self, count: int, *, in_flight: int | None) -> Figures:
        """Runs `count` workflows, all at once or so many at a time."""
        began = time.perf_counter()
        first = count if in_flight is None else in_flight
        self.start([new_id() for _ in range(first)])
        started, completed = first, 0
        while completed < count:
            found = len(self.await_completions(count - completed))
            completed += found
            more = min(found, count - started)
            self.start([new_id() for _ in range(more)])
            started += more
        return Figures(count, in_flight, time.perf_counter() - began)

    def close(self) -> None:
        """Lets the clients go."""
        self._producer.flush(5)
        self._consumer.close()


@contextmanager
def worker(
    bootstrap: str,
    namespace: str,
    data: Path,
    *,
    partitions: int,
    module: str = "benchmarks.three_steps",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Generator[int]:
    """A worker process; yields its process id."""
    environment = {
        **os.environ,
        "HEPHAESTUS_BOOTSTRAP": bootstrap,
        "HEPHAESTUS_NAMESPACE": namespace,
        "HEPHAESTUS_DATA": str(data),
        "HEPHAESTUS_PARTITIONS": str(partitions),
        **settings,
    }
    command = [sys.executable, "-m", "hephaestus_stream.cli", "worker", module]
    log = data / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=environment, cwd=Path(__file__).parents[1], stdout=output, stderr=output
        )
    try:
        yield process.pid
    except BaseException:
        console.print(log.read_text()[-2000:], markup=False)
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def volume(connection: Connection, *, partitions: int) -> tuple[int, int]:
    """How many records, and bytes of keys and values, stand in the topics of a namespace."""
    consumer = Consumer(
        connection.librdkafka(
            group_id=f"{connection.namespace}.volume", isolation_level="read_committed", enable_partition_eof=True
        )
    )
    topics = [topic for topic in Topics(connection.namespace) if not topic.endswith((".replies", ".dead-letters"))]
    places = [TopicPartition(topic, each, OFFSET_BEGINNING) for topic in topics for each in range(partitions)]
    consumer.assign(places)
    records, size, ends = 0, 0, 0
    while ends < len(places):
        for message in consumer.consume(5000, 1):
            if message.error() is not None:
                ends += 1
            else:
                records += 1
                size += len(message.key() or b"") + len(message.value() or b"")
    consumer.close()
    return records, size


def resident(process: int) -> float:
    """Resident memory of a process in megabytes."""
    output = subprocess.run(  # noqa: S603 - our own command
        ["ps", "-o", "rss=", "-p", str(process)],  # noqa: S607
        capture_output=True,
        check=True,
        text=True,
    )
    return int(output.stdout) / 1024


def main(
    *,
    workflows: Annotated[int, Parameter(help="How many to run in each throughput measurement.")] = 20_000,
    partitions: Annotated[int, Parameter(help="Partitions of every topic.")] = 12,
    idle: Annotated[int, Parameter(help="How many to run one by one.")] = 300,
    bootstrap: Annotated[str | None, Parameter(help="A Kafka to use; without it a local one is started.")] = None,
) -> None:
    """Measure one worker beside its broker."""
    namespace = f"bench-{new_id()[:13]}"
    broker = temporary_kafka(console.log) if bootstrap is None else nullcontext(bootstrap)
    with tempfile.TemporaryDirectory() as folder, broker as address:
        connection = Connection(address, namespace)
        with worker(address, namespace, Path(folder), partitions=partitions) as process:
            measure(connection, process, workflows=workflows, partitions=partitions, idle=idle)


def measure(connection: Connection, process: int, *, workflows: int, partitions: int, idle: int) -> None:
    """Measures, and prints a table."""
    console.log("waiting for the worker")
    load = Load(connection, partitions=partitions)
    load.one_by_one(20)
    load.many(workflows // 4, in_flight=None)
    console.log("warm: a fresh broker compiles its hot paths first")
    latencies = load.one_by_one(idle)
    console.log("idle latency measured")
    figures = [load.many(workflows // 4, in_flight=64), load.many(workflows, in_flight=None)]
    load.close()
    memory = resident(process)
    records, size = volume(connection, partitions=partitions)
    runs = 20 + idle + 2 * (workflows // 4) + workflows
    table = Table(title=f"three no-op steps, {partitions} partitions, one worker and its broker on one machine")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for each in figures:
        load_name = "all at once" if each.in_flight is None else f"{each.in_flight} in flight"
        table.add_row(f"workflows/s, {each.workflows} of them, {load_name}", f"{each.rate:,.0f}")
    table.add_row(f"idle latency p50 of {idle}, ms", f"{median(latencies) * 1000:.1f}")
    table.add_row(f"idle latency p99 of {idle}, ms", f"{quantiles(latencies, n=100)[98] * 1000:.1f}")
    table.add_row("resident memory of the worker, MB", f"{memory:.0f}")
    table.add_row("records per workflow, all topics", f"{records / runs:.1f}")
    table.add_row("bytes per workflow (keys and values)", f"{size / runs:,.0f}")
    console.print(table)
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python "
        f"{platform.python_version()}, {platform.system()}; start published to completion read with read_committed"
    )


if __name__ == "__main__":
    run(main)
