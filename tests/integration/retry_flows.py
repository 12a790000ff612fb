"""Workflows whose steps fail."""

from __future__ import annotations

from datetime import timedelta

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryAfterError, RetryPolicy, Step, Workflow
from tests.integration.flows import Trip, note

POLICY_DELAY = timedelta(seconds=9)


class Visit(Trip, frozen=True):
    """The start payload; `asks` are the seconds that the step asks for, if it asks."""

    asks: float | None = None


class Knock(Step[Visit]):
    """Finds nobody at its first attempt."""

    opened = Event()
    retry = RetryPolicy(backoff="constant", initial_delay=POLICY_DELAY, jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[Visit]) -> Outcome:
        note("knocked", context)
        if context.attempt > 1:
            return self.opened()
        if context.initial.asks is None:
            raise ConnectionError("nobody there")
        raise RetryAfterError("come back later", delay=timedelta(seconds=context.initial.asks))


class Knocking(Workflow[Visit], key="knocking"):
    """Is done after a retry."""

    knock = Knock()
    done = Done()
    start = knock
    transitions = (knock.opened.to(done),)


class GiveUp(Step[Visit]):
    """Fails in another way each time, in a thread."""

    opened = Event()
    retry = RetryPolicy(max_attempts=3, initial_delay=timedelta(milliseconds=50), jitter=0)

    def execute(self, instance: Instance, config: None, context: Context[Visit]) -> Outcome:
        note("failed", context)
        raise (ConnectionError, RuntimeError, TimeoutError)[context.attempt - 1](f"attempt {context.attempt}")


class GivingUp(Workflow[Visit], key="giving-up"):
    """Fails when its attempts are used up."""

    give_up = GiveUp()
    done = Done()
    start = give_up
    transitions = (give_up.opened.to(done),)
