"""The workflows of these tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

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

RETENTION = timedelta(days=2)


class Order(BaseModel, frozen=True):
    """The start payload."""

    quantity: int = 1
    note: str = ""

    @field_validator("note")
    @classmethod
    def is_harmless(cls, note: str) -> str:
        if note == "explode":
            raise LookupError("what no validator should raise")
        return note

    @field_validator("quantity")
    @classmethod
    def is_positive(cls, quantity: int) -> int:
        if quantity < 1:
            raise ValueError("at least one")
        return quantity


class Stars(BaseModel, frozen=True):
    """What an event from outside carries."""

    stars: int


class Work(Step[object]):
    """Ends at once, without waiting for anything."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.done()


class Thread(Step[object]):
    """Runs in a thread, so it never ends within the cycle that starts it."""

    done = Event()

    def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.done()


class Flaky(Step[object]):
    """Fails once."""

    done = Event()
    retry = RetryPolicy(initial_delay=timedelta(seconds=10), jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        if context.attempt == 1:
            raise ConnectionError("down")
        return self.done()


class Talk(Step[object]):
    """Ends at once, with much to say."""

    said = Event(str)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.said("x" * 300_000)


class Talking(Workflow[Order], key="talking"):
    """One large result."""

    talk = Talk()
    done = Done()
    start = talk
    transitions = (talk.said.to(done),)


class Chain(Workflow[Order], key="chain", retention=RETENTION):
    """Three steps that end within one cycle."""

    first = Work()
    second = Work()
    third = Work()
    done = Done()
    start = first
    transitions = (first.done.to(second), second.done.to(third), third.done.to(done))


class Review(Workflow[Order], key="review", retention=RETENTION, version=3):
    """Waits for an event from outside, for an hour."""

    stars = WaitForEvent(Stars, timeout=timedelta(hours=1))
    thanks = Work()
    done = Done()
    late = Failed("nobody came")
    start = stars
    transitions = (stars.received.to(thanks), stars.timed_out.to(late), thanks.done.to(done))


class Threaded(Workflow[Order], key="threaded"):
    """A blocking step, then one that is not."""

    blocking = Thread()
    after = Work()
    done = Done()
    start = blocking
    transitions = (blocking.done.to(after), after.done.to(done))


class Retried(Workflow[Order], key="retried"):
    """Ends after a retry and a wait."""

    flaky = Flaky()
    pause = Wait(timedelta(minutes=1))
    done = Done()
    start = flaky
    transitions = (flaky.done.to(pause), pause.elapsed.to(done))


class Twice(Workflow[Order], key="twice"):
    """Two nodes wait for events of the same name."""

    begin = Work()
    left = WaitForEvent(Stars)
    right = WaitForEvent(Stars)
    done = Done()
    start = begin
    transitions = (begin.done.to(left, right), left.received.to(done), right.received.to(done))


ALL: tuple[type[Workflow[Any]], ...] = (Chain, Review, Threaded, Retried, Twice, Talking)
