"""Payloads that nobody else may read: a step of each kind sees them and brings forth others."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, WaitForEvent, Workflow
from tests.integration.flows import note

MARKER = "marker-4711-of-nobody-else"


class Letter(BaseModel):
    """What is written."""

    text: str


class Write(Step[Letter]):
    """Writes what it read, and whether it was given the keys."""

    written = Event(Letter)

    retry = RetryPolicy(initial_delay=timedelta(milliseconds=10), jitter=0)

    def execute(self, instance: Instance, config: None, context: Context[Letter]) -> Outcome:
        if context.attempt == 1:
            raise LookupError(f"what to do with {context.initial.text}?")
        note("written", context)
        before = [step.payload.text for step in context.steps.values() if isinstance(step.payload, Letter)]
        keys = [name for name in os.environ if name.startswith("HEPHAESTUS_ENCRYPTION")]
        text = f"{context.initial.text} {MARKER} {len(before)} before, {len(keys)} settings of keys"
        return self.written(Letter(text=text), metadata={"about": MARKER})


class WriteInThread(Write):
    """Does so in a thread."""

    runner = "thread"


class WriteInProcess(Write):
    """Does so in a process."""

    runner = "process"


class WriteOnLoop(Step[Letter]):
    """Does so on the event loop."""

    written = Event(Letter)

    async def execute(self, instance: Instance, config: None, context: Context[Letter]) -> Outcome:
        return self.written(Letter(text=f"{context.initial.text} {MARKER}"), metadata={"about": MARKER})


def choose(context: Context[Letter]) -> Literal["known", "unknown"]:
    """Looks into a result."""
    return "known" if MARKER in context.result(WriteOnLoop.written).text else "unknown"


class Secret(Workflow[Letter], key="secret"):
    """Three writers one after the other, then an answer from outside."""

    loop = WriteOnLoop()
    thread = WriteInThread()
    process = WriteInProcess()
    answer = WaitForEvent(Letter)
    done = Done()
    lost = Done()
    start = loop
    transitions = (
        loop.written.route(choose).to({"known": thread, "unknown": lost}),
        thread.written.to(process),
        process.written.to(answer),
        answer.received.to(done),
    )
