"""The switches that do not kill; `tests/reliability/test_fail_points.py` kills at each point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import start_command
from tests.integration.checker import Topics
from tests.integration.flows import FOLDER, Journey, Trip
from tests.integration.workers import Publisher

ROOT = Path(__file__).parents[2]
ENDS_WITHIN_SECONDS = 60.0

Start = Callable[[Mapping[str, str]], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(connection: Connection, tmp_path: Path) -> Generator[Start]:
    """Starts a worker with switches, and an empty database each time."""
    started: list[subprocess.Popen[bytes]] = []

    def start_worker(switches: Mapping[str, str]) -> subprocess.Popen[bytes]:
        data = tmp_path / f"worker-{len(started)}"
        environment = os.environ | {
            FOLDER: str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "HEPHAESTUS_BOOTSTRAP": connection.bootstrap,
            "HEPHAESTUS_NAMESPACE": connection.namespace,
            "HEPHAESTUS_PARTITIONS": "1",
            "HEPHAESTUS_SESSION_TIMEOUT": "6",
            "HEPHAESTUS_DATA": str(data),
        }
        command = [sys.executable, "-m", "tests.chaos.worker", "tests.integration.flows"]
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen(command, env={**environment, **switches}, stdout=log, stderr=log))
        return started[-1]

    yield start_worker
    for worker in started:
        worker.kill()
        worker.wait(ENDS_WITHIN_SECONDS)


def test_commits_that_must_be_aborted_are_repeated(
    connection: Connection, start: Start, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    topics = Topics(connection.bootstrap, connection.namespace, partitions=1)
    worker = start({"CHAOS_ABORT_COMMITS": "1,2"})
    Publisher(connection).send([start_command(Journey, "1", Trip())])

    eventually(lambda: bool(topics.documents("history")))

    worker.terminate()
    assert worker.wait(ENDS_WITHIN_SECONDS) == 0
    assert (tmp_path / "log").read_text().count("aborted by a test") == 2


def test_a_shifted_clock_stamps_what_the_shards_write(
    connection: Connection, start: Start, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    topics = Topics(connection.bootstrap, connection.namespace, partitions=1)
    clock = tmp_path / "clock"
    clock.write_text(str(366 * 24 * 3600))
    start({"CHAOS_CLOCK_FILE": str(clock)})
    now = datetime.now(UTC)
    Publisher(connection).send([start_command(Journey, "1", Trip())])

    eventually(lambda: bool(topics.documents("history")))

    stamped = datetime.fromisoformat(topics.documents("history")[0]["at"])
    assert stamped > now + timedelta(days=365)
