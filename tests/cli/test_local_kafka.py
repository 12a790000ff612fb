"""`hephaestus kafka` and `hephaestus dev`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine

GUEST = '{"name": "ada"}'


@pytest.fixture
def project(hephaestus: CommandLine) -> Generator[CommandLine]:
    yield hephaestus
    hephaestus("kafka", "down")


def test_the_local_kafka_goes_up_is_found_by_itself_and_goes_down(project: CommandLine) -> None:
    before = project("kafka", "status")
    assert before.code == 1
    assert "hephaestus kafka up" in before.out

    up = project("kafka", "up", "--output", "json")
    assert up.code == 0
    bootstrap = json.loads(up.out)["bootstrap"]
    status = project("kafka", "status")
    assert status.code == 0
    assert bootstrap in status.out
    # No address is given anywhere: it is this folder's Kafka that is meant.
    assert project("topics", "create", "--partitions", "1").code == 0

    assert "stopped" in project("kafka", "down").out
    assert project("kafka", "status").code == 1
    assert "no Kafka runs" in project("kafka", "down").out


@pytest.mark.parametrize("ran_before", [False, True], ids=["its-own-kafka", "a-kafka-that-ran-before"])
def test_dev_shows_what_to_type_and_leaves_kafka_as_it_was(
    project: CommandLine, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None], *, ran_before: bool
) -> None:
    if ran_before:
        project("kafka", "up")
    log = tmp_path / "dev.log"
    with project.running("dev", "flows", log=log) as dev:
        eventually(lambda: "Ctrl-C ends it." in log.read_text())
        assert "hephaestus start flows:GreetingFlow ada --input" in log.read_text()
        assert "Kafka: ready" in log.read_text()
        assert project("start", "flows:GreetingFlow", "ada", "-i", GUEST).code == 0
        dev.send_signal(signal.SIGINT)
        assert dev.wait(30) == 0
    assert project("kafka", "status").code == (0 if ran_before else 1)


# A Kafka that takes longer to stop than a worker may linger.
SLOW = """
import time

import hephaestus_stream.cli.deadline
from hephaestus_stream.local_kafka import LocalKafka

hephaestus_stream.cli.deadline._PATIENCE_SECONDS = 0.2
down = LocalKafka.down


def slowly(kafka, **options):
    time.sleep(1)
    return down(kafka, **options)


LocalKafka.down = slowly
"""


def test_dev_waits_until_its_kafka_has_stopped(
    project: CommandLine, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    flows = project.folder / "flows.py"
    flows.write_text(flows.read_text() + SLOW)
    log = tmp_path / "dev.log"
    with project.running("dev", "flows", log=log) as dev:
        eventually(lambda: "Ctrl-C ends it." in log.read_text())
        dev.send_signal(signal.SIGINT)
        assert dev.wait(30) == 0
    assert project("kafka", "status").code == 1
    assert "the worker exits without it" not in log.read_text()
