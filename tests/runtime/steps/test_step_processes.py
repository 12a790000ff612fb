from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hephaestus_stream import Done, Workflow
from hephaestus_stream.core.input import StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.errors import WorkflowNotFoundError
from hephaestus_stream.runtime.steps.execution import name_of
from hephaestus_stream.runtime.steps.orders import require_places
from hephaestus_stream.runtime.steps.processes import _start  # pyright: ignore[reportPrivateUsage] - see its test
from hephaestus_stream.runtime.steps.runner import StepRunner
from hephaestus_stream.telemetry.log_fields import add_log_fields
from tests.runtime.steps.process_flows import (
    NOW,
    HurriedProcessFlow,
    InProcess,
    Job,
    LoopFlow,
    ProcessFlow,
    ThreadFlow,
    attempt_of,
)
from tests.telemetry.recorder import PARENT, TRACE, TRACEPARENT

ROOT = Path(__file__).parents[3]
GRACE = timedelta(milliseconds=500)
LONG = timedelta(minutes=1)

# A worker in miniature: it says nothing, and is killed.
WORKER = """
import asyncio, sys
from hephaestus_stream.runtime.steps.runner import StepRunner
from tests.runtime.steps.process_flows import Job, ProcessFlow, attempt_of

async def work():
    runner = StepRunner(concurrency=1, threads=1, processes=2)
    try:
        await runner.start(attempt_of(ProcessFlow, Job(does=sys.argv[1], folder=sys.argv[2])))
    finally:
        await runner.close()

try:
    asyncio.run(work())
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
"""


@pytest.fixture
async def runner() -> AsyncGenerator[StepRunner]:
    """A runner that gives processes all the time that they want to stop."""
    one = StepRunner(concurrency=5, threads=2, processes=2, stop_grace=LONG)
    yield one
    one._grace = timedelta(0)  # pyright: ignore[reportPrivateUsage] - what a test leaves is killed
    await one.close()


@pytest.fixture
async def strict() -> AsyncGenerator[StepRunner]:
    """A runner that soon kills what does not stop."""
    one = StepRunner(concurrency=5, threads=2, processes=1, stop_grace=GRACE)
    yield one
    await one.close()


def job(folder: Path, does: str = "count", number: int = 1) -> Job:
    return Job(does=does, folder=str(folder), number=number)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.005)


def pid_in(file: Path) -> int:
    return int(file.read_text() or 0) if file.exists() else 0


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended, and that nobody has asked how, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start_worker(does: str, folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WORKER, does, str(folder)]
    return subprocess.Popen(command, env=environment, cwd=folder, process_group=0, stderr=subprocess.PIPE)


@pytest.mark.parity(22)
async def test_a_step_ends_in_the_same_way_wherever_it_runs(runner: StepRunner, tmp_path: Path) -> None:
    ends = {
        await runner.start(attempt_of(flow, job(tmp_path, number=7), key=f"flow::{flow.__name__}"))
        for flow in (LoopFlow, ThreadFlow, ProcessFlow)
    }
    own = {end.reported.metadata for end in ends if isinstance(end, StepEmitted)}
    payloads = {end.reported.payload for end in ends if isinstance(end, StepEmitted)}

    assert payloads == {b'{"square":49}'}
    assert own == {f'{{"of":["flow::{name}Flow",1]}}'.encode() for name in ("Loop", "Thread", "Process")}
    assert pid_in(tmp_path / "ended-7") not in {0, os.getpid()}


async def test_a_step_in_a_process_may_wait(runner: StepRunner, tmp_path: Path) -> None:
    end = await runner.start(attempt_of(ProcessFlow, job(tmp_path, "suspend")))

    assert isinstance(end, StepSuspended)
    assert (end.until, end.otherwise and end.otherwise.payload) == (NOW, b'{"square":0}')


async def test_what_a_step_raises_is_described_where_it_was_raised(runner: StepRunner, tmp_path: Path) -> None:
    end = await runner.start(attempt_of(ProcessFlow, job(tmp_path, "fail")))

    assert isinstance(end, StepFailed)
    assert (end.error.type, end.error.message, end.permanent) == ("ConnectionError", "no line", False)
    assert 'raise ConnectionError("no line")' in end.error.traceback


@pytest.mark.parametrize(("does", "error"), [("refuse", "PermanentError"), ("leave", "SystemExit")])
async def test_whatever_a_step_raises_its_process_goes_on(
    does: str, error: str, strict: StepRunner, tmp_path: Path
) -> None:
    await strict.start(attempt_of(ProcessFlow, job(tmp_path, number=1)))
    end = await strict.start(attempt_of(ProcessFlow, job(tmp_path, does, number=2)))
    await strict.start(attempt_of(ProcessFlow, job(tmp_path, number=3)))

    assert isinstance(end, StepFailed)
    assert (end.error.type, end.permanent) == (error, does == "refuse")
    assert pid_in(tmp_path / "ended-1") == pid_in(tmp_path / "ended-3")


@pytest.mark.parity(22)
@pytest.mark.parametrize(("does", "how"), [("exit", "ended with exit code 9"), ("abort", "was killed by SIGABRT")])
async def test_a_process_that_dies_fails_its_attempt_alone(
    does: str, how: str, runner: StepRunner, tmp_path: Path
) -> None:
    beside = runner.start(attempt_of(ProcessFlow, job(tmp_path, "hang", number=1)))
    await until(lambda: pid_in(tmp_path / "began-1") > 0)

    end = await runner.start(attempt_of(ProcessFlow, job(tmp_path, does, number=2)))
    after = await runner.start(attempt_of(ProcessFlow, job(tmp_path, number=3)))
    (tmp_path / "release").touch()

    assert isinstance(end, StepFailed)
    assert (end.error.type, end.error.message) == ("StepProcessError", f"the process of only {how}")
    assert not end.permanent
    assert isinstance(after, StepEmitted)
    assert isinstance(await beside, StepEmitted)


async def test_a_process_that_was_killed_says_what_it_may_be(runner: StepRunner, tmp_path: Path) -> None:
    outcome = runner.start(attempt_of(ProcessFlow, job(tmp_path, "hang")))
    await until(lambda: pid_in(tmp_path / "began-1") > 0)
    os.kill(pid_in(tmp_path / "began-1"), signal.SIGKILL)
    end = await outcome

    assert isinstance(end, StepFailed)
    assert end.error.message == "the process of only was killed by SIGKILL; the system does so when memory runs out"


@pytest.mark.parity(22)
async def test_no_more_processes_than_allowed_run_at_once(strict: StepRunner, tmp_path: Path) -> None:
    first = strict.start(attempt_of(ProcessFlow, job(tmp_path, "hang", number=1)))
    second = strict.start(attempt_of(ProcessFlow, job(tmp_path, number=2)))
    await until(lambda: pid_in(tmp_path / "began-1") > 0)
    waited = not second.done()
    (tmp_path / "release").touch()

    assert isinstance(await first, StepEmitted)
    assert isinstance(await second, StepEmitted)
    assert waited
    assert pid_in(tmp_path / "ended-1") == pid_in(tmp_path / "ended-2")


@pytest.mark.parity(17)
async def test_a_stopped_step_in_a_process_is_told_so_and_its_process_used_again(
    runner: StepRunner, tmp_path: Path
) -> None:
    stopped = attempt_of(ProcessFlow, job(tmp_path, "wait until asked", number=1))
    outcome = runner.start(stopped)
    await until(lambda: pid_in(tmp_path / "began-1") > 0)

    runner.stop(stopped.id)
    # Its process is free when it has said that the step has ended, which is after that has been written down.
    await until(lambda: not any(task.get_name() == name_of(stopped.id) for task in asyncio.all_tasks()))
    again = await runner.start(attempt_of(ProcessFlow, job(tmp_path, "count", number=2)))

    assert outcome.cancelled()
    assert isinstance(again, StepEmitted)
    assert pid_in(tmp_path / "asked-1") == pid_in(tmp_path / "ended-2")


async def test_a_step_is_not_asked_to_stop_for_the_one_before_it(runner: StepRunner, tmp_path: Path) -> None:
    late = attempt_of(HurriedProcessFlow, job(tmp_path, "wait until asked", number=1))
    end = await runner.start(late)
    await until(lambda: pid_in(tmp_path / "ended-1") > 0)
    outcome = runner.start(attempt_of(ProcessFlow, job(tmp_path, "wait until asked", number=2)))
    await until(lambda: pid_in(tmp_path / "began-2") > 0)

    assert isinstance(end, StepFailed)
    assert not (tmp_path / "asked-2").exists()
    assert not outcome.done()


@pytest.mark.parametrize("does", ["hang", "hold the interpreter", "leave a process behind"])
async def test_a_step_that_hangs_is_timed_out_at_once_and_killed_after_its_grace(
    does: str, strict: StepRunner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    end = await strict.start(attempt_of(HurriedProcessFlow, job(tmp_path, does, number=1)))
    hanging = pid_in(tmp_path / "began-1")
    told_before_killed = lives(hanging)
    after = await strict.start(attempt_of(ProcessFlow, job(tmp_path, number=2)))

    assert isinstance(end, StepFailed)
    assert end.error.type == "StepTimeoutError"
    assert told_before_killed
    assert isinstance(after, StepEmitted)
    assert not lives(hanging)
    assert (tmp_path / "grandchild").exists() == (does == "leave a process behind")
    assert not lives(pid_in(tmp_path / "grandchild"))
    assert "flow::1 (run run-1), node only, attempt 1 does not stop; its process is killed" in caplog.text


async def test_closing_leaves_no_process(tmp_path: Path) -> None:
    runner = StepRunner(concurrency=5, threads=2, processes=2, stop_grace=timedelta(0))
    await runner.start(attempt_of(ProcessFlow, job(tmp_path, number=1)))
    outcomes = [runner.start(attempt_of(ProcessFlow, job(tmp_path, "hang", number=number))) for number in (2, 3)]
    await until(lambda: all(pid_in(tmp_path / f"began-{number}") > 0 for number in (2, 3)))

    await runner.close()

    assert all(outcome.cancelled() for outcome in outcomes)
    assert not any(lives(pid_in(tmp_path / f"began-{number}")) for number in (2, 3))


@pytest.mark.parametrize("does", ["hang", "hold the interpreter"])
async def test_a_process_of_steps_dies_with_its_worker(does: str, tmp_path: Path) -> None:
    worker = start_worker(does, tmp_path)
    try:
        await until(lambda: pid_in(tmp_path / "began-1") > 0)
        process = pid_in(tmp_path / "began-1")
        lived = lives(process)
    finally:
        worker.kill()
        worker.communicate()

    assert lived
    await until(lambda: not lives(process))


async def test_a_process_of_steps_ends_when_nobody_is_at_the_other_end_of_its_connection() -> None:
    process = await _start("text")  # on Linux the kernel ends it otherwise, so that a killed worker does not show this
    process._writer.close()  # pyright: ignore[reportPrivateUsage] - as above

    try:
        async with asyncio.timeout(30):
            await asyncio.shield(process.watch)
        assert not process.is_alive
    finally:
        process.kill()


async def test_an_interrupt_from_the_keyboard_reaches_the_worker_alone(tmp_path: Path) -> None:
    worker = start_worker("wait until asked", tmp_path)
    await until(lambda: pid_in(tmp_path / "began-1") > 0)
    process = pid_in(tmp_path / "began-1")
    os.killpg(worker.pid, signal.SIGINT)
    _, said = worker.communicate()

    assert said == b"interrupted\n"
    assert (tmp_path / "asked-1").exists()
    await until(lambda: not lives(process))


async def test_a_step_in_a_process_logs_like_its_worker(
    runner: StepRunner, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    level = root.level
    root.setLevel("INFO")
    try:
        await runner.start(attempt_of(ProcessFlow, job(tmp_path, "log")))
    finally:
        root.setLevel(level)

    assert "INFO of.a.step: a line of the step" in capfd.readouterr().err


async def test_as_json_a_line_of_a_step_in_a_process_says_which_attempt_and_trace_it_belongs_to(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runner = StepRunner(concurrency=1, threads=1, processes=1, stop_grace=timedelta(0), log_format="json")
    traced, plain = (attempt_of(ProcessFlow, job(tmp_path, "log", number=number)) for number in (1, 2))
    traced = replace(traced, state=msgspec.structs.replace(traced.state, trace=TRACEPARENT))
    root = logging.getLogger()
    level = root.level
    root.setLevel("INFO")
    of_a_shard = copy_context()
    of_a_shard.run(add_log_fields, {"partition": 7})
    try:
        await of_a_shard.run(runner.start, traced)
        await runner.start(plain)
    finally:
        root.setLevel(level)
        await runner.close()

    first, second = (json.loads(line) for line in capfd.readouterr().err.splitlines())
    first.pop("time")
    assert first == {
        "level": "INFO",
        "logger": "of.a.step",
        "message": "a line of the step",
        "partition": 7,
        "workflow": "ProcessFlow",
        "key": "flow::1",
        "run": "run-1",
        "node": "only",
        "attempt": 1,
        "trace_id": TRACE,
        "span_id": PARENT,
    }
    assert second["run"] == "run-2"
    assert {"partition", "trace_id", "span_id"} & set(second) == set()


def hidden_flow() -> type[Workflow[Any]]:
    class Hidden(Workflow[Job], key="flow"):
        only = InProcess()
        done = Done()
        start = only
        transitions = (only.found.to(done), only.waits.to(done))

    return Hidden


async def test_a_workflow_that_no_process_can_import_fails_for_good(runner: StepRunner, tmp_path: Path) -> None:
    end = await runner.start(attempt_of(hidden_flow(), job(tmp_path)))

    assert isinstance(end, StepFailed)
    assert end.permanent
    assert "define it at the top level of a module" in end.error.message


def test_a_worker_refuses_a_workflow_that_no_process_can_import() -> None:
    require_places([ProcessFlow.definition, ThreadFlow.definition])
    with pytest.raises(
        WorkflowNotFoundError, match=r"Hidden \(.*\) has a step with runner = 'process', and no process"
    ):
        require_places([ProcessFlow.definition, hidden_flow().definition])


async def test_a_step_that_forks_gives_its_own_answer_and_no_other_runs(strict: StepRunner, tmp_path: Path) -> None:
    works = ["fork", "count", "count"]
    ends = [
        await strict.start(attempt_of(ProcessFlow, job(tmp_path, does, number)))
        for number, does in enumerate(works, start=1)
    ]
    assert [json.loads(end.reported.payload or b"") for end in ends if isinstance(end, StepEmitted)] == [
        {"square": 1},
        {"square": 4},
        {"square": 9},
    ]


async def test_an_outcome_that_cannot_be_written_is_a_failed_attempt(strict: StepRunner, tmp_path: Path) -> None:
    end = await strict.start(attempt_of(ProcessFlow, job(tmp_path, "suspend beyond the calendar")))
    assert isinstance(end, StepFailed)
    assert end.error.type == "OverflowError"
