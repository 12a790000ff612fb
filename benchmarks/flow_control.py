"""Other keys under pressure: one worker gets too much of something, and the answers to everybody else are timed.

    python -m benchmarks.flow_control
    python -m benchmarks.flow_control --only one-key-refused --seconds 20 --output flow.json

Each pressure has a namespace and a worker of its own, and is compared with the idle time of that very worker. Machines
differ and are noisy: compare ratios of one run, not runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Final, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table

from benchmarks.three_steps import resident, worker
from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Wait, WaitForEvent, Workflow
from hephaestus_stream.local_kafka import LocalKafka
from hephaestus_stream.wire.command import Command, encode_command, new_id
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import resume_command, start_command
from hephaestus_stream.wire.topics import Topics

console = Console(width=140)

InputT = TypeVar("InputT")

PARTITIONS: Final = 12
PRESSED: Final = "pressed"
"""The id of the key that gets the flood."""

_PACE_SECONDS: Final = 0.0125
_PATIENCE_SECONDS: Final = 90.0
_SAMPLE_SECONDS: Final = 0.5
_LONG_SECONDS: Final = 600.0
_STARTED_SECONDS: Final = 6.0
"""Until slow steps have been started: the flood of their commands is another pressure."""

_LARGE_BYTES: Final = 390_000
_WORKER: Final = {"HEPHAESTUS_GRACE": "0.2", "HEPHAESTUS_STOP_GRACE": "0.5"}
_MINE, _UNREAD = b"0", b"1"


class NoOp(Step[object]):
    """Does nothing, and says so."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:  # noqa: ARG002
        """Ends at once."""
        return self.done()


class Sleeps(NoOp):
    """Takes longer than the measurement."""

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:  # noqa: ARG002
        """Waits for something outside."""
        await asyncio.sleep(_LONG_SECONDS)
        return self.done()


class Blocks(Step[object]):
    """The same, in a thread."""

    done = Event()

    def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:  # noqa: ARG002
        """Waits for something outside, or for the end."""
        began = time.monotonic()
        while not context.stop_requested and time.monotonic() - began < _LONG_SECONDS:
            time.sleep(0.1)
        return self.done()


class Talks(Step[object]):
    """Has much to say."""

    said = Event(str)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:  # noqa: ARG002
        """Ends at once, with a large result."""
        return self.said("x" * _LARGE_BYTES)


class Quick(Workflow[None], key="probe"):
    """One step; the others are measured by it."""

    only = NoOp()
    end = Done()
    start = only
    transitions = (only.done.to(end),)


class Holds(Workflow[None], key="holds"):
    """Waits for two events, one after the other."""

    first = WaitForEvent()
    second = WaitForEvent()
    end = Done()
    start = first
    transitions = (first.received.to(second), second.received.to(end))


class Slow(Workflow[None], key="slow"):
    """One step that takes minutes."""

    only = Sleeps()
    end = Done()
    start = only
    transitions = (only.done.to(end),)


class Blocking(Workflow[None], key="blocking"):
    """One blocking step that takes minutes."""

    only = Blocks()
    end = Done()
    start = only
    transitions = (only.done.to(end),)


class Large(Workflow[None], key="large"):
    """One step with a large result."""

    only = Talks()
    end = Done()
    start = only
    transitions = (only.said.to(end),)


class Alarm(Workflow[datetime], key="alarm"):
    """A timer."""

    only = Wait(lambda context: context.initial)
    end = Done()
    start = only
    transitions = (only.elapsed.to(end),)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds from a command until something is read."""

    count: int
    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latencies:
        """Of measured times; nothing for too few of them."""
        if len(seconds) < 2:  # noqa: PLR2004 - quantiles need two
            return cls(len(seconds), float("nan"), float("nan"))
        return cls(len(seconds), median(seconds) * 1000, quantiles(seconds, n=100)[98] * 1000)


Timed = dict[str, Latencies]
"""By the key's partition and what was waited for, as `other answer`."""


@dataclass
class _Sent:
    place: str
    at: float
    answered: float | None = None
    completed: float | None = None


class Probe:
    """Starts quick workflows of ever new keys at a steady pace, whatever the worker does, and times what comes back.

    Args:
        connection: Cluster and namespace.
        pressed: The partition under pressure; every other probe is for a key of it.
    """

    def __init__(self, connection: Connection, *, pressed: int) -> None:
        topics = Topics(connection.namespace)
        self._pressed = pressed
        self._commands = topics.commands
        self._replies = topics.replies
        self._producer = producer_of(connection)
        self._sent: dict[str, _Sent] = {}
        self._reader = Consumer(
            connection.librdkafka(
                group_id=f"{connection.namespace}.probe", isolation_level="read_committed", fetch_wait_max_ms=5
            )
        )
        mine = TopicPartition(topics.replies, int(_MINE), OFFSET_BEGINNING)
        ends = [TopicPartition(topics.completions, each, OFFSET_BEGINNING) for each in range(PARTITIONS)]
        self._reader.assign([mine, *ends])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def measure(self, seconds: float) -> Timed:
        """Sends for so long, and waits until all is answered and completed."""
        self._sent.clear()
        began = time.perf_counter()
        number = 0
        while (due := began + number * _PACE_SECONDS) < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            self._send("pressed" if number % 2 else "other")
            number += 1
        deadline = time.perf_counter() + _PATIENCE_SECONDS
        while any(sent.completed is None or sent.answered is None for sent in list(self._sent.values())):
            if time.perf_counter() > deadline:
                console.log("[red]not all of the probes were completed")
                break
            time.sleep(0.05)
        return self._timed(now=time.perf_counter())

    def close(self) -> None:
        """Lets the clients go."""
        self._stop.set()
        self._thread.join()
        self._reader.close()
        self._producer.flush(5)

    def _send(self, place: str) -> None:
        while True:
            command = start_command(Quick, new_id(), None)
            if (partition_for(command.key.encode(), PARTITIONS) == self._pressed) == (place == "pressed"):
                break
        self._sent[command.id] = _Sent(place, time.perf_counter())
        self._producer.produce(
            self._commands, encode_command(command), command.key, headers=[("reply_partition", _MINE)]
        )
        self._producer.poll(0)

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._reader.consume(100, 0.005):
                key, value, now = message.key(), message.value(), time.perf_counter()
                if message.error() is not None or key is None or value is None:
                    continue
                if message.topic() == self._replies:
                    sent = self._sent.get(key.decode())
                    if sent is not None:
                        sent.answered = now
                elif key.startswith(b"probe::"):
                    sent = self._sent.get(json.loads(value)["run"])
                    if sent is not None:
                        sent.completed = now

    def _timed(self, *, now: float) -> Timed:
        timed: Timed = {}
        for place in ("other", "pressed"):
            sent = [each for each in list(self._sent.values()) if each.place == place]
            timed[f"{place} answer"] = Latencies.of([(each.answered or now) - each.at for each in sent])
            timed[f"{place} end"] = Latencies.of([(each.completed or now) - each.at for each in sent])
        return timed


@dataclass
class Stage:
    """One worker, and whoever puts it under pressure."""

    connection: Connection
    broker: int | None
    pressed: int
    threads: list[threading.Thread] = field(default_factory=list[threading.Thread])
    is_over: threading.Event = field(default_factory=threading.Event)

    def send(self, commands: Iterable[Command], *, rate: float | None = None) -> None:
        """Publishes commands on the side, as fast as it goes or so many a second; their answers nobody reads."""
        topic = Topics(self.connection.namespace).commands
        encoded = [(encode_command(command), command.key) for command in commands]
        producer = producer_of(self.connection, linger=5)  # librdkafka's own default

        def produce() -> None:
            for number, (value, key) in enumerate(encoded):
                if self.is_over.is_set():
                    return
                while True:
                    try:
                        producer.produce(topic, value, key, headers=[("reply_partition", _UNREAD)])
                        break
                    except BufferError:
                        producer.poll(0.01)
                if number % 100 == 0:
                    producer.poll(0)
                    time.sleep(0.001)  # the probes run in this process, too
                if rate is not None:
                    time.sleep(1 / rate)
            producer.flush(_PATIENCE_SECONDS)

        self.aside(produce)

    def start_pressed(self, workflow: type[Workflow[InputT]], payload: InputT, count: int) -> None:
        """Starts workflows whose keys are all of the partition under pressure."""
        anywhere = (start_command(workflow, new_id(), payload) for _ in repeat(None))
        self.send(islice(filter(self._is_pressed, anywhere), count))

    def _is_pressed(self, command: Command) -> bool:
        return partition_for(command.key.encode(), PARTITIONS) == self.pressed

    def aside(self, work: Callable[[], None]) -> None:
        """Does something until the measurement is over."""
        thread = threading.Thread(target=work, daemon=True)
        self.threads.append(thread)
        thread.start()

    def end(self) -> None:
        """Waits for what goes on aside."""
        self.is_over.set()
        for thread in self.threads:
            thread.join()


def producer_of(connection: Connection, *, linger: int = 0) -> Producer:
    """A producer that partitions as the engine does; linger in milliseconds."""
    return Producer(connection.librdkafka(partitioner="murmur2_random", enable_idempotence=True, linger_ms=linger))


def one_key_refused(stage: Stage) -> None:
    """50,000 events for one key at once: a hundred are kept, the others refused."""
    event = Holds.second.received
    stage.send(
        [start_command(Holds, PRESSED, None), *(resume_command(Holds, PRESSED, event) for _ in range(50_000))],
    )


def one_key_steady(stage: Stage) -> None:
    """1,000 events a second for one key: a client that sends in a loop without end."""
    event = Holds.second.received
    refused = (resume_command(Holds, PRESSED, event) for _ in range(60_000))
    stage.send([start_command(Holds, PRESSED, None), *refused], rate=1_000)


def one_key_accepted(stage: Stage) -> None:
    """20,000 starts of one key at once: each is a run, that ends before the next begins."""
    stage.send(start_command(Quick, PRESSED, None) for _ in range(20_000))


def slow_steps(stage: Stage) -> None:
    """10,000 runs of many keys whose async step takes minutes; 1,000 may be executed."""
    stage.send(start_command(Slow, new_id(), None) for _ in range(10_000))
    time.sleep(_STARTED_SECONDS)


def many_slow_steps(stage: Stage) -> None:
    """The same with 30,000, which is more than the runner takes."""
    stage.send(start_command(Slow, new_id(), None) for _ in range(30_000))
    time.sleep(3 * _STARTED_SECONDS)


def blocking_steps(stage: Stage) -> None:
    """1,000 runs of many keys whose blocking step takes minutes; 32 have a thread."""
    stage.send(start_command(Blocking, new_id(), None) for _ in range(1_000))
    time.sleep(_STARTED_SECONDS)


def nobody_reads(stage: Stage) -> None:
    """100 runs a second that ask for answers which nobody reads, as nobody reads history and results."""
    stage.send((start_command(Quick, new_id(), None) for _ in range(10_000)), rate=100)


def large_results(stage: Stage) -> None:
    """600 runs at once whose step has a result of 390 kB, in all partitions."""
    stage.send(start_command(Large, new_id(), None) for _ in range(600))


def large_results_of_one_partition(stage: Stage) -> None:
    """100 runs at once whose step has a result of 390 kB, all in the partition under pressure."""
    stage.start_pressed(Large, None, 100)


def timers(stage: Stage) -> None:
    """20,000 timers of many keys, in all partitions, that are due in the same second."""
    due_at = datetime.now(UTC) + timedelta(seconds=25)
    stage.send(start_command(Alarm, new_id(), due_at) for _ in range(20_000))
    _wait_until_before(due_at)


def timers_of_one_partition(stage: Stage) -> None:
    """10,000 timers that are due in the same second, all in the partition under pressure."""
    due_at = datetime.now(UTC) + timedelta(seconds=20)
    stage.start_pressed(Alarm, due_at, 10_000)
    _wait_until_before(due_at)


def _wait_until_before(due_at: datetime) -> None:
    time.sleep(max(0.0, (due_at - datetime.now(UTC)).total_seconds() - 1))


def slow_broker(stage: Stage) -> None:
    """The broker stands still for 200 ms, and again after as long."""
    broker = stage.broker
    if broker is None:
        raise ValueError("the broker of --bootstrap is not ours to stop; leave out slow-broker")

    def throttle() -> None:
        try:
            while not stage.is_over.is_set():
                os.kill(broker, signal.SIGSTOP)
                time.sleep(0.2)
                os.kill(broker, signal.SIGCONT)
                time.sleep(0.2)
        finally:
            os.kill(broker, signal.SIGCONT)

    stage.aside(throttle)


def busy_processor(stage: Stage) -> None:
    """No pressure on the worker: another program keeps one processor busy. It says what the machine itself costs."""

    def burn() -> None:
        burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        stage.is_over.wait()
        burner.kill()
        burner.wait()

    stage.aside(burn)


PRESSURES: Final[dict[str, Callable[[Stage], None]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        one_key_refused,
        one_key_steady,
        one_key_accepted,
        slow_steps,
        many_slow_steps,
        blocking_steps,
        nobody_reads,
        large_results,
        large_results_of_one_partition,
        timers,
        timers_of_one_partition,
        slow_broker,
        busy_processor,
    )
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one pressure did.

    Attributes:
        pressure: Its name.
        idle: Before it.
        pressed: Under it.
        idle_memory: Resident megabytes of the worker before it.
        memory: At each sample under it.
    """

    pressure: str
    idle: Timed
    pressed: Timed
    idle_memory: float
    memory: list[float]


@contextmanager
def watching_memory(process: int) -> Generator[list[float]]:
    """Samples the resident memory of a process, in megabytes."""
    samples: list[float] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            samples.append(resident(process))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def measure(name: str, address: str, broker: int | None, *, idle: float, seconds: float) -> Figures:
    """One pressure, with a worker of its own."""
    connection = Connection(address, f"flow-{new_id()[:13]}")
    pressed = partition_for(f"holds::{PRESSED}".encode(), PARTITIONS)
    if name == "one-key-accepted":
        pressed = partition_for(f"probe::{PRESSED}".encode(), PARTITIONS)
    with (
        tempfile.TemporaryDirectory() as folder,
        worker(
            address,
            connection.namespace,
            Path(folder),
            partitions=PARTITIONS,
            module="benchmarks.flow_control",
            settings=_WORKER,
        ) as process,
    ):
        probe = Probe(connection, pressed=pressed)
        probe.measure(1)
        probe.measure(12)  # a new broker compiles for that long
        before = probe.measure(idle)
        idle_memory = resident(process)
        console.log(f"{name}: {(PRESSURES[name].__doc__ or '').strip()}")
        stage = Stage(connection, broker, pressed)
        try:
            with watching_memory(process) as memory:
                PRESSURES[name](stage)
                under = probe.measure(seconds)
        finally:
            stage.end()
        probe.close()
        return Figures(name, before, under, idle_memory, memory)


def shown(figures: Sequence[Figures]) -> Table:
    """The table of all pressures."""
    table = Table(title=f"quick workflows of other keys; {PARTITIONS} partitions, one worker, one broker, one machine")
    table.add_column("pressure")
    table.add_column("key's partition, waited for")
    for name in ("idle p50", "idle p99", "p50 ms", "p99 ms", "p50 ratio", "p99 ratio", "MB idle", "MB most"):
        table.add_column(name, justify="right")
    for each in figures:
        for row, (what, idle) in enumerate(each.idle.items()):
            now = each.pressed[what]
            times = [f"{value:,.0f}" for value in (idle.p50, idle.p99, now.p50, now.p99)]
            ratios = [f"{now.p50 / idle.p50:.1f}", f"{now.p99 / idle.p99:.1f}"]
            memory = [] if row else [f"{each.idle_memory:.0f}", f"{max(each.memory, default=0):.0f}"]
            table.add_row("" if row else each.pressure, what, *times, *ratios, *memory)
    return table


def main(
    *,
    only: Annotated[tuple[str, ...], Parameter(help=f"Of {', '.join(PRESSURES)}; all of them unless given.")] = (),
    idle: Annotated[float, Parameter(help="Seconds without pressure.")] = 8,
    seconds: Annotated[float, Parameter(help="Seconds under each pressure.")] = 10,
    bootstrap: Annotated[str | None, Parameter(help="A Kafka to use; without it a local one is started.")] = None,
    output: Annotated[Path | None, Parameter(help="A file for all figures, as JSON.")] = None,
) -> None:
    """Measure how other keys fare while one worker is under pressure."""
    names = only or tuple(name for name in PRESSURES if bootstrap is None or name != "slow-broker")
    figures: list[Figures] = []
    with broker_at(bootstrap) as (address, process):
        for name in names:
            figures.append(measure(name, address, process, idle=idle, seconds=seconds))
            console.print(shown(figures[-1:]))
    console.print(shown(figures))
    conditions = (
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python "
        f"{platform.python_version()}, {platform.system()}; {1 / _PACE_SECONDS:.0f} probes/s, half of them for keys of "
        "the partition under pressure"
    )
    console.print(conditions)
    if output is not None:
        output.write_text(json.dumps({"conditions": conditions, "figures": [asdict(each) for each in figures]}))


@contextmanager
def broker_at(bootstrap: str | None) -> Generator[tuple[str, int | None]]:
    """The address of a broker, and its process where it is ours."""
    if bootstrap is not None:
        yield bootstrap, None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        kafka = LocalKafka(Path(folder), on_progress=console.log)
        try:
            status = kafka.up()
            yield status.bootstrap, status.brokers[0].pid
        finally:
            kafka.down(patience=timedelta())


if __name__ == "__main__":
    run(main)
