"""Workflows that fill the record of their run: with results, and with early events."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, WaitForEvent, Workflow
from tests.integration.flows import Hold, Trip


class Load(BaseModel, frozen=True):
    """How much each step brings."""

    size: int = 0
    wordy: bool = False


class Text(BaseModel, frozen=True):
    """A result, or an event."""

    text: str


class Bring(Step[Load]):
    """Brings as much as the start says; of a wordy run each branch first fails at length."""

    brought = Event(Text)
    retry = RetryPolicy(max_attempts=2, initial_delay=timedelta(milliseconds=100), jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[Load]) -> Outcome:
        if context.initial.wordy and context.attempt == 1:
            raise ConnectionError("😀" * 1_000)
        return self.brought(Text(text="x" * context.initial.size))


class Brimful(Workflow[Load], key="brimful"):
    """Four results, then a wait."""

    one, two, three, four = Bring(), Bring(), Bring(), Bring()
    news = WaitForEvent(Text)
    done = Done()
    start = one
    transitions = (
        one.brought.to(two),
        two.brought.to(three),
        three.brought.to(four),
        four.brought.to(news),
        news.received.to(done),
    )


class Crowded(Workflow[Trip], key="crowded"):
    """An event that comes early as long as the step before it is held."""

    hold = Hold()
    news = WaitForEvent(Text)
    done = Done()
    start = hold
    transitions = (hold.released.to(news), news.received.to(done))
