"""How a worker ends that cannot go on: one last line with the way out, and a code that says what a restart does."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import start_command
from tests.cli.command_line import CommandLine
from tests.integration.checker import Topics, check_histories
from tests.integration.workers import Publisher
from workflows.order import Order, OrderFlow

LARGE = Order(sku="x" * 200_000, quantity=1, customer="ada", card="declined")

Eventually = Callable[[Callable[[], bool]], None]

# Something that nobody expected, in the midst of the runtime, of a worker with a step that does not let go.
SABOTAGE = """
import asyncio
from pathlib import Path

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.runtime.shards import OwnedShards


class Cling(Step[object]):
    ended = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        Path("clings").touch()
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass


class ClingFlow(Workflow[object], key="cling"):
    cling = Cling()
    done = Done()

    start = cling
    transitions = (cling.ended.to(done),)


class Sabotage(OwnedShards):
    def position(self, partition: int) -> int | None:
        if Path("clings").exists():
            raise LookupError("[a] tool in the works")
        return super().position(partition)


import hephaestus_stream.runtime.worker
hephaestus_stream.runtime.worker.OwnedShards = Sabotage
"""


@pytest.fixture
def kafka(hephaestus: CommandLine, kafka_bootstrap: str, namespace: str) -> tuple[str, ...]:
    """A namespace with topics of two partitions."""
    where = ("--bootstrap", kafka_bootstrap, "--namespace", namespace)
    assert hephaestus("topics", "create", "--partitions", "2", *where).code == 0
    return where


def last_line(log: Path) -> str:
    return log.read_text().splitlines()[-1]


def test_a_second_worker_on_the_same_data_folder_is_refused_before_it_joins(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path, eventually: Eventually
) -> None:
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "flows", *kafka, log=log) as first:
        eventually(lambda: "owns the partitions" in log.read_text())

        second = hephaestus("worker", "flows", *kafka)

        told = second.err.splitlines()[-1]
        assert second.code == ExitCode.NO_RESTART
        assert told.startswith(f"error: another worker (process {first.pid}) uses the data folder .hephaestus/")
        assert "--data" in told
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
    assert log.read_text().count("owns the partitions") == 1


def test_a_worker_whose_topics_differ_says_what_and_that_a_restart_mends_nothing(
    hephaestus: CommandLine, kafka: tuple[str, ...]
) -> None:
    (hephaestus.folder / "hephaestus.toml").write_text("partitions = 3\n")

    ended = hephaestus("worker", "flows", *kafka)

    assert ended.code == ExitCode.NO_RESTART
    assert "partitions" in ended.err.splitlines()[-1]


def test_a_worker_without_a_broker_says_so_and_that_a_restart_may_mend_it(hephaestus: CommandLine) -> None:
    ended = hephaestus("worker", "flows", "--bootstrap", "127.0.0.1:9")

    assert ended.code == ExitCode.UNREACHABLE
    assert "no Kafka broker answers at 127.0.0.1:9" in ended.err.splitlines()[-1]


def test_an_error_that_nobody_expected_is_the_last_line_although_a_step_clings_to_the_worker(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path
) -> None:
    (hephaestus.folder / "sabotage.py").write_text(SABOTAGE)
    (hephaestus.folder / "hephaestus.toml").write_text("grace = 0\nstop_grace = 1\n")
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "sabotage", *kafka, log=log) as worker:
        assert hephaestus("start", "sabotage:ClingFlow", "a", "-i", "null", *kafka).code == 0
        # The positions are asked for every few seconds, for the group's offsets.
        assert worker.wait(60) == ExitCode.RESTART
    assert last_line(log).startswith("error: the worker ended by an unexpected LookupError: [a] tool in the works; ")
    assert "Traceback" in log.read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A disk of 3 MiB, where the machine lets us have one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if not mount or not unmount:
        pytest.skip("there is no mount here")
    command = [mount, "-t", "tmpfs", "-o", "size=3m", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run([unmount, "-l", str(folder)], check=True)


def test_a_worker_whose_disk_is_full_says_so_and_comes_back_when_there_is_room(
    hephaestus: CommandLine,
    connection: Connection,
    tmp_path: Path,
    small_disk: Path,
    eventually: Eventually,
) -> None:
    (hephaestus.folder / "hephaestus.toml").write_text("partitions = 2\nreplication_factor = 1\n")
    kafka = ("--bootstrap", connection.bootstrap, "--namespace", connection.namespace)
    log = tmp_path / "worker.log"
    starts = [start_command(OrderFlow, f"{number}", LARGE) for number in range(30)]
    with hephaestus.running("worker", "workflows", *kafka, "--data", str(small_disk), log=log) as worker:
        Publisher(connection).send(starts)
        assert worker.wait(60) == ExitCode.RESTART
    assert last_line(log).startswith("error: the disk is full (")

    topics = Topics(connection.bootstrap, connection.namespace, partitions=2)
    with hephaestus.running("worker", "workflows", *kafka, "--data", "large", log=log) as worker:
        eventually(lambda: "owns the partitions" in log.read_text())
        eventually(lambda: len(topics.records("completions")) == len(starts))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    # What was committed when the disk refused it was not taken in once more.
    histories = check_histories(topics)
    assert set(histories) == {start.id for start in starts}
