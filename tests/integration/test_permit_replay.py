from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hephaestus_stream.wire.connection import Connection
from tests.eventlog.receipt_model import Expected, expect, receipt_file

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "hephaestus_stream.cli")
STOPS_WITHIN_SECONDS = 60

Eventually = Callable[[Callable[[], bool]], None]


@pytest.mark.parity(27)
@pytest.mark.timeout(400)
def test_a_replayed_log_has_the_outcome_that_a_count_from_the_file_alone_says_and_again_no_further_effect(
    connection: Connection, eventually: Eventually, tmp_path: Path
) -> None:
    file = receipt_file(tmp_path)
    expected = expect(file)
    commands = expected.started + expected.taken + expected.kept + sum(expected.refused.values())

    with _worker(connection, eventually, tmp_path):
        first = _replay(connection, file)
        again = _replay(connection, file)

    assert _numbers(first) == _numbers_of(expected)
    assert (first["failed"], first["cancelled"], first["dead_letters"]) == (0, 0, 0)
    assert first["duplicates"] == 0
    assert _numbers(again) == _numbers_of(expected)
    assert again["duplicates"] == commands


def _numbers(replayed: dict[str, Any]) -> dict[str, Any]:
    return {name: replayed[name] for name in ("started", "completed", "waiting", "taken", "kept", "refused")}


def _numbers_of(expected: Expected) -> dict[str, Any]:
    return {
        "started": expected.started,
        "completed": expected.completed,
        "waiting": expected.waiting,
        "taken": expected.taken,
        "kept": expected.kept,
        "refused": dict(expected.refused),
    }


def _replay(connection: Connection, file: Path) -> dict[str, Any]:
    arguments = ["replay", "workflows.permit", str(file), "--output", "json"]
    finished = subprocess.run(
        [*COMMAND, *arguments, *_address(connection)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    replayed: dict[str, Any] = json.loads(finished.stdout)
    return replayed


@contextmanager
def _worker(connection: Connection, eventually: Eventually, folder: Path) -> Generator[None]:
    """A worker in a process of its own, from its readiness to its orderly end."""
    arguments = ["worker", "workflows.permit", "--data", str(folder / "data"), *_address(connection)]
    log = folder / "worker.log"
    with log.open("w") as output:
        worker = subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stdout=output, stderr=output)
    try:
        eventually(lambda: "owns the partitions" in log.read_text() or worker.poll() is not None)
        assert worker.poll() is None, log.read_text()
        yield
        assert worker.poll() is None, log.read_text()
    finally:
        worker.terminate()
        worker.wait(STOPS_WITHIN_SECONDS)
    assert worker.returncode == 0, log.read_text()


def _address(connection: Connection) -> list[str]:
    return ["--bootstrap", connection.bootstrap, "--namespace", connection.namespace]
