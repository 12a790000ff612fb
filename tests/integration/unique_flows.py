"""Workflows that claim their keys."""

from __future__ import annotations

from datetime import timedelta

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, WaitForEvent, Workflow


class Quick(Step[None]):
    """Ends at once."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done()


class Claim(Workflow[None], key="claim"):
    """Holds its key until somebody says otherwise."""

    wait = WaitForEvent()
    done = Done()
    start = wait
    transitions = (wait.received.to(done),)


class Once(Workflow[None], key="once", reuse="never"):
    """Is over at once, and kept for as long as the worker says."""

    quick = Quick()
    done = Done()
    start = quick
    transitions = (quick.done.to(done),)


class Kept(Workflow[None], key="kept", reuse="never", retention=timedelta(days=1)):
    """Is over at once, and kept for a day."""

    quick = Quick()
    done = Done()
    start = quick
    transitions = (quick.done.to(done),)
