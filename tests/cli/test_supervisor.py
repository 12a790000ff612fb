"""`hephaestus worker --restart`: what is started again, what is not, and that nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.supervisor import FIRST, LONGEST, Backoff, Supervisor
from tests.cli.command_line import CommandLine

Eventually = Callable[[Callable[[], bool]], None]
BLOCKING = """
import time
from pathlib import Path

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow


class Block(Step[object]):
    ended = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        Path("blocks").touch()
        time.sleep(3600)
        return self.ended()


class BlockFlow(Workflow[object], key="block"):
    block = Block()
    done = Done()

    start = block
    transitions = (block.ended.to(done),)
"""


@pytest.fixture
def kafka(hephaestus: CommandLine, kafka_bootstrap: str, namespace: str) -> tuple[str, ...]:
    where = ("--bootstrap", kafka_bootstrap, "--namespace", namespace)
    assert hephaestus("topics", "create", "--partitions", "2", *where).code == 0
    return where


def workers_in(log: Path) -> list[int]:
    """The processes that the supervisor has started, one after the other."""
    return [int(pid) for pid in re.findall(r"the worker is process (\d+)", log.read_text())]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_was_killed_is_started_again_and_stops_in_order_with_its_supervisor(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path, eventually: Eventually
) -> None:
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "flows", "--restart", *kafka, log=log) as supervisor:
        eventually(lambda: log.read_text().count("owns the partitions") == 1)
        os.kill(workers_in(log)[0], signal.SIGKILL)
        eventually(lambda: log.read_text().count("owns the partitions") == 2)

        supervisor.send_signal(signal.SIGTERM)

        assert supervisor.wait(30) == 0
    assert "the worker was killed by SIGKILL; it is started again in " in log.read_text()
    assert log.read_text().splitlines()[-1].endswith("stopped in order")
    assert not any(is_alive(worker) for worker in workers_in(log))


def test_a_worker_that_no_restart_mends_is_not_started_again(hephaestus: CommandLine, kafka: tuple[str, ...]) -> None:
    (hephaestus.folder / "empty.py").write_text("")

    ended = hephaestus("worker", "empty", "--restart", *kafka)

    assert ended.code == ExitCode.NO_RESTART
    assert ended.err.count("the worker is process") == 1
    assert ended.err.splitlines()[-1].startswith("error: the module empty has no workflow")


@pytest.mark.parametrize("code", [0, ExitCode.FAILED, ExitCode.USAGE, 128 + signal.SIGINT, 128 + signal.SIGTERM])
def test_a_step_that_ends_its_process_with_whatever_code_does_not_end_the_service(code: int, tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    ends = f"import os; f = open({str(lives)!r}, 'a'); f.write('x'); f.close(); os._exit"
    program = f"{ends}({code} if os.path.getsize({str(lives)!r}) == 1 else {int(ExitCode.NO_RESTART)})"

    assert Supervisor([sys.executable, "-c", program]).run() == ExitCode.NO_RESTART

    assert lives.read_text() == "xx"


TOLD = """
import os, signal
told = []
signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
signal.signal(signal.SIGINT, lambda number, frame: told.append(number))
os.kill(os.getppid(), signal.SIGTERM)
while not told:
    signal.pause()
os._exit(len(told))
"""


def test_a_worker_that_was_told_to_stop_is_told_once_and_ends_the_service_with_its_code() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]

    assert Supervisor([sys.executable, "-c", TOLD]).run() == 1

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == handlers


def test_a_signal_between_two_workers_ends_the_service() -> None:
    program = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); os._exit(75)"

    assert Supervisor([sys.executable, "-c", program]).run() in {0, 75, 128 + signal.SIGTERM}


@pytest.mark.parametrize("wrong", ["--colour", "--log-level=loud"])
def test_a_wrong_argument_of_a_worker_is_not_mended_by_a_restart(hephaestus: CommandLine, wrong: str) -> None:
    assert hephaestus("worker", "flows", wrong).code == ExitCode.NO_RESTART


def test_a_worker_without_a_broker_is_started_again_until_it_is_told_to_stop(
    hephaestus: CommandLine, tmp_path: Path, eventually: Eventually
) -> None:
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "flows", "--restart", "--bootstrap", "127.0.0.1:9", log=log) as supervisor:
        eventually(lambda: "the worker ended with code 4; it is started again in " in log.read_text())

        supervisor.send_signal(signal.SIGINT)

        assert supervisor.wait(30) in {0, 130}


def test_a_supervisor_that_is_killed_leaves_no_worker_behind_even_if_a_step_blocks_it(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path, eventually: Eventually
) -> None:
    (hephaestus.folder / "blocking.py").write_text(BLOCKING)
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "blocking", "--restart", *kafka, log=log) as supervisor:
        eventually(lambda: "owns the partitions" in log.read_text())
        with hephaestus.running("start", "blocking:BlockFlow", "a", "-i", "null", *kafka, log=tmp_path / "start.log"):
            eventually((hephaestus.folder / "blocks").exists)
            supervisor.kill()
            eventually(lambda: not is_alive(workers_in(log)[0]))


def test_a_second_signal_ends_a_worker_that_a_step_blocks(
    hephaestus: CommandLine, kafka: tuple[str, ...], tmp_path: Path, eventually: Eventually
) -> None:
    (hephaestus.folder / "blocking.py").write_text(BLOCKING)
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "blocking", "--restart", *kafka, log=log) as supervisor:
        eventually(lambda: "owns the partitions" in log.read_text())
        with hephaestus.running("start", "blocking:BlockFlow", "a", "-i", "null", *kafka, log=tmp_path / "start.log"):
            eventually((hephaestus.folder / "blocks").exists)
            supervisor.send_signal(signal.SIGTERM)
            eventually(lambda: supervisor.poll() is not None or "passed on" in log.read_text())
            supervisor.send_signal(signal.SIGTERM)
            assert supervisor.wait(30) == 128 + signal.SIGTERM
        eventually(lambda: not is_alive(workers_in(log)[0]))


def test_delays_grow_to_a_minute_and_begin_anew_after_a_worker_that_lasted() -> None:
    least, most = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    short, long = timedelta(seconds=5), LONGEST + timedelta(seconds=1)

    shortest = [least.after(short) for _ in range(8)]
    longest = [most.after(short) for _ in range(8)]

    assert longest == [timedelta(seconds=each) for each in (1, 2, 4, 8, 16, 32, 60, 60)]
    assert shortest == [each / 2 for each in longest]
    assert most.after(long) == FIRST
    assert most.after(short) == 2 * FIRST
