"""Workflows under chaos: every way that a run can take, in steps that write down each execution.

The folder is given by the environment, since the steps run in the processes of workers.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Failed,
    Instance,
    Outcome,
    RetryPolicy,
    Step,
    Wait,
    WaitForEvent,
    Workflow,
)

FOLDER = "CHAOS_STEPS"
Way = Literal["left", "right", "both"]


class Errand(BaseModel, frozen=True):
    """The start payload: what the steps of this run do."""

    fails: int = 0
    way: Way = "left"
    leaves: bool = False


class Receipt(BaseModel, frozen=True):
    """What a step hands on: no two executions give the same, so a result tells which one it is of."""

    reference: str


class Word(BaseModel, frozen=True):
    """What an event from outside carries."""

    stars: int


def note(context: Context[Errand], event: str | None, receipt: Receipt | None = None) -> None:
    """One line for each execution; short appends of several threads and processes do not mix."""
    line = {
        "key": context.idempotency_key,
        "attempt": context.attempt,
        "pid": os.getpid(),
        "at": time.time(),
        "event": event,
        "result": None if receipt is None else receipt.model_dump(mode="json"),
    }
    path = Path(os.environ[FOLDER]) / f"executed-{os.getpid()}"
    with path.open("ab", buffering=0) as log:
        log.write(json.dumps(line).encode() + b"\n")


class Noting:
    """A step that writes down what it does; the checker asks for it."""


FLAKY = RetryPolicy(max_attempts=4, backoff="constant", initial_delay=timedelta(milliseconds=300), jitter=0)


def carried_out(context: Context[Errand]) -> Receipt:
    """The work of a step, noted; it fails as often as the errand says."""
    if context.attempt <= context.initial.fails:
        note(context, None)
        raise ConnectionError(f"attempt {context.attempt} of {context.initial.fails} that fail")
    receipt = Receipt(reference=f"{context.attempt}-{uuid.uuid4().hex[:12]}")
    note(context, "done", receipt)
    return receipt


class Work(Noting, Step[Errand]):
    """Ends at once, on the event loop."""

    done = Event(Receipt)
    retry = FLAKY

    async def execute(self, instance: Instance, config: None, context: Context[Errand]) -> Outcome:
        return self.done(carried_out(context))


class Linger(Noting, Step[Errand]):
    """Takes its time, on the event loop."""

    done = Event(Receipt)
    retry = FLAKY

    async def execute(self, instance: Instance, config: None, context: Context[Errand]) -> Outcome:
        await asyncio.sleep(0.2)
        return self.done(carried_out(context))


class Carry(Noting, Step[Errand]):
    """Blocks a thread for a moment."""

    done = Event(Receipt)
    retry = FLAKY

    def execute(self, instance: Instance, config: None, context: Context[Errand]) -> Outcome:
        time.sleep(0.02)
        return self.done(carried_out(context))


class Reckon(Noting, Step[Errand]):
    """Runs in a process of its own."""

    done = Event(Receipt)
    retry = FLAKY
    runner = "process"

    def execute(self, instance: Instance, config: None, context: Context[Errand]) -> Outcome:
        return self.done(carried_out(context))


class Decide(Noting, Step[Errand]):
    """Says whether the errand is left."""

    stays = Event()
    leaves = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Errand]) -> Outcome:
        note(context, "leaves" if context.initial.leaves else "stays")
        return self.leaves() if context.initial.leaves else self.stays()


def chosen(context: Context[Errand]) -> Way:
    return context.initial.way


class Quick(Workflow[Errand], key="quick"):
    """Two steps, folded into one cycle where nothing fails."""

    first = Work()
    second = Work()
    done = Done()
    start = first
    transitions = (first.done.to(second), second.done.to(done))


class Relay(Workflow[Errand], key="relay"):
    """A fan-out over a thread, a slow step and a timer, then an event from outside."""

    begin = Work()
    carry = Carry()
    linger = Linger()
    pause = Wait(timedelta(milliseconds=700))
    gather = Work()
    review = WaitForEvent(Word, timeout=timedelta(days=30))
    done = Done()
    late = Failed("no review came")
    start = begin
    transitions = (
        begin.done.to(carry, linger, pause),
        carry.done.to(gather),
        linger.done.to(gather),
        pause.elapsed.to(gather),
        gather.done.to(review),
        review.received.to(done),
        review.timed_out.to(late),
    )


class Patience(Workflow[Errand], key="patience"):
    """An event and a timeout race."""

    ask = Work()
    reply = WaitForEvent(Word, timeout=timedelta(milliseconds=1500))
    thank = Work()
    done = Done()
    silent = Done()
    start = ask
    transitions = (
        ask.done.to(reply),
        reply.received.to(thank),
        reply.timed_out.to(silent),
        thank.done.to(done),
    )


class Fork(Workflow[Errand], key="fork"):
    """A route to one branch, the other, or both, and a merge."""

    choose = Work()
    left = Carry()
    right = Linger()
    merge = Work()
    done = Done()
    start = choose
    transitions = (
        choose.done.route(chosen).to({"left": left, "right": right, "both": (left, right)}),
        left.done.to(merge),
        right.done.to(merge),
        merge.done.to(done),
    )


class Leaving(Workflow[Errand], key="leaving"):
    """A branch may leave its fan-out, and interrupt what runs beside it."""

    begin = Work()
    decide = Decide()
    linger = Linger()
    signal = WaitForEvent(Word, timeout=timedelta(milliseconds=900))
    farewell = Work()
    gather = Work()
    done = Done()
    left = Done(interrupts=True)
    start = begin
    transitions = (
        begin.done.to(decide, linger, signal),
        decide.stays.to(gather),
        decide.leaves.to(farewell),
        farewell.done.to(left),
        linger.done.to(gather),
        signal.received.to(gather),
        signal.timed_out.to(gather),
        gather.done.to(done),
    )


class Reckoning(Workflow[Errand], key="reckoning"):
    """A step in a process."""

    reckon = Reckon()
    done = Done()
    start = reckon
    transitions = (reckon.done.to(done),)


class Loose(Workflow[Errand], key="loose", scope="none"):
    """Several runs of a key at once."""

    begin = Work()
    signal = WaitForEvent(Word)
    done = Done()
    start = begin
    transitions = (begin.done.to(signal), signal.received.to(done))


FLOWS = (Quick, Relay, Patience, Fork, Leaving, Reckoning, Loose)
