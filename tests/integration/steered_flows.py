"""A workflow that gives every steering command something to do."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, Wait, WaitForEvent, Workflow
from tests.integration.flows import Stars, Trip


class Lift(Step[Trip]):
    """Every other attempt fails, and with it the run."""

    lifted = Event()
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        await asyncio.sleep(0.02)
        if context.attempt % 2:
            raise ConnectionError("no crane")
        return self.lifted()


class Crate(Workflow[Trip], key="crate"):
    """Fails twice, waits in between, and is done when somebody retries it and looks at it."""

    lift = Lift()
    look = WaitForEvent(Stars)
    settle = Wait(timedelta(milliseconds=200))
    stow = Lift()
    done = Done()
    start = lift
    transitions = (
        lift.lifted.to(look, settle),
        look.received.to(stow),
        settle.elapsed.to(stow),
        stow.lifted.to(done),
    )
