"""Workflows whose steps note in a file that they were executed, and may wait until a file appears.

The folder is given by the environment, since the steps run in the processes of workers.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, field_validator

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

FOLDER = "STEPS_FOLDER"


class Trip(BaseModel, frozen=True):
    """The start payload."""

    legs: int = 1
    flaky: bool = False

    @field_validator("legs")
    @classmethod
    def is_positive(cls, legs: int) -> int:
        if legs < 1:
            raise ValueError("at least one")
        return legs


class Stars(BaseModel, frozen=True):
    """What an event from outside carries."""

    stars: int


def folder() -> Path:
    return Path(os.environ[FOLDER])


def note(what: str, context: Context[object]) -> None:
    """One line for each execution; short appends of several processes do not mix."""
    with (folder() / "executed").open("a") as log:
        log.write(f"{what} {context.idempotency_key} {context.attempt} {os.getpid()}\n")


class Book(Step[Trip]):
    """Ends at once; the first attempt of a flaky trip fails."""

    booked = Event(Stars)
    retry = RetryPolicy(initial_delay=timedelta(milliseconds=200), jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("book", context)
        if context.initial.flaky and context.attempt == 1:
            raise ConnectionError("no line")
        return self.booked(Stars(stars=context.initial.legs))


class Drive(Step[Trip]):
    """Takes a moment, in a thread."""

    driven = Event()

    def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("drive", context)
        time.sleep(0.02)
        return self.driven()


class Journey(Workflow[Trip], key="trip"):
    """Everything that a run may do: quick steps, threads, retries, timers, branches, events from outside."""

    book = Book()
    drive = Drive()
    pause = Wait(timedelta(milliseconds=500))
    rest = Book()
    review = WaitForEvent(Stars, timeout=timedelta(days=30))
    done = Done()
    late = Failed("no review came")
    start = book
    transitions = (
        book.booked.to(drive, pause),
        drive.driven.to(rest),
        pause.elapsed.to(rest),
        rest.booked.to(review),
        review.received.to(done),
        review.timed_out.to(late),
    )


class Hold(Step[Trip]):
    """Runs until the file of its instance appears."""

    released = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("begun", context)
        while not (folder() / instance.id).exists():  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.02)
        note("ended", context)
        return self.released()


class Held(Workflow[Trip], key="held"):
    """One long step."""

    hold = Hold()
    done = Done()
    start = hold
    transitions = (hold.released.to(done),)


class HangUp(Step[Trip]):
    """Blocks its thread for longer than any test."""

    never = Event()

    def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("hung", context)
        time.sleep(3_600)
        return self.never()


class Hung(Workflow[Trip], key="hung"):
    """A step that never ends."""

    hang = HangUp()
    done = Done()
    start = hang
    transitions = (hang.never.to(done),)


class Crash(Step[Trip]):
    """Ends its process, as a segmentation fault does."""

    survived = Event()
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("crashed", context)
        os._exit(66)


class Deadly(Workflow[Trip], key="deadly"):
    """A step that kills its worker."""

    crash = Crash()
    done = Done()
    start = crash
    transitions = (crash.survived.to(done),)


class Nap(Workflow[Trip], key="nap"):
    """A wait that is longer than a restart takes."""

    sleep = Wait(timedelta(seconds=2))
    wake = Book()
    done = Done()
    start = sleep
    transitions = (sleep.elapsed.to(wake), wake.booked.to(done))
