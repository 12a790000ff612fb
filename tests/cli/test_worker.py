"""`hephaestus worker`, and the commands that talk to it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine

Eventually = Callable[[Callable[[], bool]], None]
GUEST = '{"name": "ada"}'
STUCK = """
import threading

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow


class WaitForEver(Step[object]):
    ended = Event()

    def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        print("a step is stuck", flush=True)
        threading.Event().wait()
        return self.ended()


class StuckFlow(Workflow[object], key="stuck"):
    wait_for_ever = WaitForEver()
    done = Done()

    start = wait_for_ever
    transitions = (wait_for_ever.ended.to(done),)
"""


@pytest.fixture
def bare_kafka(kafka_bootstrap: str, namespace: str) -> tuple[str, ...]:
    """A namespace without topics."""
    return ("--bootstrap", kafka_bootstrap, "--namespace", namespace)


@pytest.fixture
def kafka(hephaestus: CommandLine, bare_kafka: tuple[str, ...]) -> tuple[str, ...]:
    """A namespace with topics of two partitions."""
    assert hephaestus("topics", "create", "--partitions", "2", *bare_kafka).code == 0
    return bare_kafka


@pytest.mark.parity(16)
def test_runs_are_started_resumed_refused_and_awaited(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "flows", *kafka, log=log) as worker:
        started = hephaestus("start", "flows:GreetingFlow", "ada", "-i", GUEST, *kafka)
        assert (started.code, started.err) == (0, "")
        assert "guest::ada started" in started.out

        again = hephaestus("start", "GreetingFlow", "guest::ada", "-i", GUEST, "-o", "json", *kafka)
        assert again.code == 3
        assert json.loads(again.out)["reason"] == "already_running"
        assert again.err.startswith("error: guest::ada is already running")

        resumed = hephaestus("resume", "GreetingFlow", "guest::ada", "reply.received", "-p", GUEST, *kafka)
        assert resumed.code == 0

        early = hephaestus("start", "flows:GreetingFlow", "bea", "-i", "-", "-o", "json", *kafka, text=GUEST)
        assert json.loads(early.out)["effect"] == "applied"
        cancelled = hephaestus("cancel", "flows:GreetingFlow", "bea", "--reason", "asked", *kafka)
        assert "cancelled guest::bea" in cancelled.out
        gone = hephaestus("cancel", "flows:GreetingFlow", "bea", *kafka)
        assert gone.code == 3

        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert "stopped in order" in log.read_text().splitlines()[-1]


def test_start_can_wait_for_the_end(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path, eventually: Eventually
) -> None:
    (hephaestus.folder / "guest.json").write_text(GUEST)
    with hephaestus.running("worker", "flows", *kafka, log=tmp_path / "worker.log"):
        # The event comes as soon as the run is there, whether its node waits already or not.
        with hephaestus.running(
            "start", "flows:GreetingFlow", "ada", "-i", "@guest.json", "--wait", "-o", "json", *kafka,
            log=tmp_path / "start.log",
        ) as starting:  # fmt: skip
            resume = ("resume", "GreetingFlow", "guest::ada", "received", "-p", GUEST)
            eventually(lambda: hephaestus(*resume, *kafka).code == 0)
            assert starting.wait(30) == 0
        ended = json.loads((tmp_path / "start.log").read_text())
        assert (ended["status"], ended["ended_at"]) == ("completed", "done")
        assert ended["results"]["reply"] == {"name": "ada"}


def test_the_second_ctrl_c_ends_a_worker_that_cannot_stop(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path, eventually: Eventually
) -> None:
    (hephaestus.folder / "stuck.py").write_text(STUCK)
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "stuck", *kafka, log=log) as worker:
        assert hephaestus("start", "stuck:StuckFlow", "a", "-i", "null", *kafka).code == 0
        eventually(lambda: "a step is stuck" in log.read_text())
        worker.send_signal(signal.SIGINT)
        eventually(lambda: "once more exits at once" in log.read_text())
        worker.send_signal(signal.SIGINT)
        assert worker.wait(5) == 130


@pytest.mark.parametrize(
    "command",
    [
        ("start", "flows:GreetingFlow", "ada", "-i", GUEST),
        ("resume", "flows:GreetingFlow", "ada", "reply.received", "-p", GUEST),
        ("cancel", "flows:GreetingFlow", "ada"),
        ("migrate", "flows:GreetingFlow", "ada"),
    ],
    ids=lambda command: command[0],
)
def test_without_a_worker_a_command_says_after_its_timeout_how_it_is_repeated(
    hephaestus: CommandLine, kafka: tuple[str, ...], command: tuple[str, ...]
) -> None:
    said = hephaestus(*command, "--command-id", "once", "--timeout", "2", *kafka)
    assert said.code == 5
    assert "no worker has answered" in said.err
    assert said.err.endswith("; the same again with --command-id once is safe\n")


def test_topics_that_differ_are_listed(hephaestus: CommandLine, bare_kafka: tuple[str, ...]) -> None:
    missing = hephaestus("topics", "check", *bare_kafka)
    assert missing.code == 1
    assert missing.err.count(" is missing: create it with `hephaestus topics create --namespace ") == 7
    created = hephaestus("topics", "create", "--partitions", "3", "-o", "json", *bare_kafka)
    assert len(json.loads(created.out)["created"]) == 7
    assert hephaestus("topics", "check", "--partitions", "4", *bare_kafka).code == 1
    assert json.loads(hephaestus("topics", "check", "-o", "json", *bare_kafka).out)["partitions"] == 3
