"""Workflows of one step that the processes of steps can import; the steps meet their test in a folder."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, PermanentError, Step, Suspend, Workflow
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.attempt import Attempt, AttemptId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = timedelta(milliseconds=300)


class Job(BaseModel):
    """What a step is to do, and where its test looks for what it did."""

    does: str = "count"
    folder: str = ""
    number: int = 1


class Found(BaseModel):
    """What a step reports."""

    square: int


def note(job: Job, what: str) -> None:
    (Path(job.folder) / what).write_text(str(os.getpid()))


def wait_until_asked(job: Job, context: Context[Job]) -> None:
    while not context.stop_requested:
        time.sleep(0.001)
    note(job, f"asked-{job.number}")


def hang(job: Job, _: Context[Job]) -> None:
    while not (Path(job.folder) / "release").exists():
        time.sleep(0.005)


def hold_the_interpreter(_: Job, __: Context[Job]) -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")  # for ages, in C, without a moment for other threads


def leave_a_process_behind(job: Job, context: Context[Job]) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    (Path(job.folder) / "grandchild").write_text(str(child.pid))
    hang(job, context)


def fail(_: Job, __: Context[Job]) -> None:
    raise ConnectionError("no line")


def refuse(_: Job, __: Context[Job]) -> None:
    raise PermanentError("never")


def fork(_: Job, __: Context[Job]) -> None:
    os.fork()  # both go on, and both come to an end of the step


def log(_: Job, __: Context[Job]) -> None:
    logging.getLogger("of.a.step").info("a line of the step")


DOES: dict[str, Callable[[Job, Context[Job]], object]] = {
    "count": lambda _, __: None,
    "exit": lambda _, __: os._exit(9),
    "abort": lambda _, __: os.abort(),
    "leave": lambda _, __: sys.exit(3),
    "fail": fail,
    "refuse": refuse,
    "wait until asked": wait_until_asked,
    "hang": hang,
    "hold the interpreter": hold_the_interpreter,
    "leave a process behind": leave_a_process_behind,
    "log": log,
    "fork": fork,
}


def do(job: Job, context: Context[Job]) -> None:
    note(job, f"began-{job.number}")
    DOES[job.does](job, context)


class Does(Step[Job]):
    found = Event(Found)
    waits = Event()

    def execute(self, instance: Instance, config: None, context: Context[Job]) -> Outcome:
        job = context.initial
        if job.does == "suspend":
            return Suspend(until=NOW, otherwise=self.found(Found(square=0)))
        if job.does == "suspend beyond the calendar":
            end = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
            return Suspend(until=end, otherwise=self.found(Found(square=0)))
        do(job, context)
        note(job, f"ended-{job.number}")
        return self.found(Found(square=job.number**2), metadata={"of": [instance.key, context.attempt]})


class InProcess(Does):
    runner = "process"


class InThread(Does):
    runner = "thread"


class OnLoop(Step[Job]):
    found = Event(Found)
    waits = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Job]) -> Outcome:
        do(context.initial, context)
        return self.found(Found(square=context.initial.number**2), metadata={"of": [instance.key, context.attempt]})


class HurriedInProcess(InProcess):
    timeout = SOON


class HurriedInThread(InThread):
    timeout = SOON


class ProcessFlow(Workflow[Job], key="flow"):
    only = InProcess()
    done = Done()
    start = only
    transitions = (only.found.to(done), only.waits.to(done))


class ThreadFlow(Workflow[Job], key="flow"):
    only = InThread()
    done = Done()
    start = only
    transitions = (only.found.to(done), only.waits.to(done))


class LoopFlow(Workflow[Job], key="flow"):
    only = OnLoop()
    done = Done()
    start = only
    transitions = (only.found.to(done), only.waits.to(done))


class HurriedProcessFlow(Workflow[Job], key="flow"):
    only = HurriedInProcess()
    done = Done()
    start = only
    transitions = (only.found.to(done), only.waits.to(done))


class HurriedThreadFlow(Workflow[Job], key="flow"):
    only = HurriedInThread()
    done = Done()
    start = only
    transitions = (only.found.to(done), only.waits.to(done))


def attempt_of(flow: type[Workflow[Any]], job: Job, *, key: str = "flow::1") -> Attempt:
    """The first attempt of a flow's step over a job."""
    name = flow.definition.name
    state = State(key, f"run-{job.number}", name, 1, "running", job.model_dump_json().encode(), NOW, NOW)
    return Attempt(AttemptId(key, f"run-{job.number}", "only", 1), flow.definition, state)
