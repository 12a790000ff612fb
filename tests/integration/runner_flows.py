"""One step of each kind that works until it is asked to stop, one that never stops, and one that just ends."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, Workflow
from tests.integration.flows import Stars, Trip, note

LOG = logging.getLogger(__name__)


class AskedToStop(Step[Trip]):
    """Works until it is asked to stop."""

    stopped = Event()

    def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("begun", context)
        while not context.stop_requested:
            time.sleep(0.005)
        note("asked", context)
        return self.stopped()


class AskedInThread(AskedToStop):
    """Does so in a thread."""

    runner = "thread"


class AskedInProcess(AskedToStop):
    """Does so in a process."""

    runner = "process"


class AskedOnLoop(Step[Trip]):
    """Waits on the event loop until it is cancelled."""

    stopped = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("begun", context)
        try:
            await asyncio.Event().wait()
        finally:
            note("asked", context)
        return self.stopped()


class Hangs(Step[Trip]):
    """Never returns, whoever asks."""

    never = Event()
    timeout = timedelta(milliseconds=500)
    retry = RetryPolicy(max_attempts=1)

    def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("hung", context)
        time.sleep(3_600)
        return self.never()


class HangsInThread(Hangs):
    """Does so in a thread."""

    runner = "thread"


class HangsInProcess(Hangs):
    """Does so in a process."""

    runner = "process"


class HangsOnLoop(Step[Trip]):
    """Goes on whenever it is cancelled, but for the end of its loop."""

    never = Event()
    timeout = timedelta(milliseconds=500)
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("hung", context)
        for _ in range(3):
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                continue
        return self.never()


class RatesInThread(Step[Trip]):
    """Ends at once, with a payload and metadata."""

    rated = Event(Stars)

    def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("rated", context)
        LOG.info("rated")
        return self.rated(Stars(stars=context.initial.legs), metadata={"by": instance.tags})


class RatesInProcess(RatesInThread):
    """Does so in a process."""

    runner = "process"


class RatesOnLoop(Step[Trip]):
    """Does so on the event loop."""

    rated = Event(Stars)

    async def execute(self, instance: Instance, config: None, context: Context[Trip]) -> Outcome:
        note("rated", context)
        LOG.info("rated")
        return self.rated(Stars(stars=context.initial.legs), metadata={"by": instance.tags})


class AskedLoop(Workflow[Trip], key="asked"):
    """Runs on the event loop until it is stopped."""

    only = AskedOnLoop()
    done = Done()
    start = only
    transitions = (only.stopped.to(done),)


class AskedThread(Workflow[Trip], key="asked"):
    """Runs in a thread until it is stopped."""

    only = AskedInThread()
    done = Done()
    start = only
    transitions = (only.stopped.to(done),)


class AskedProcess(Workflow[Trip], key="asked"):
    """Runs in a process until it is stopped."""

    only = AskedInProcess()
    done = Done()
    start = only
    transitions = (only.stopped.to(done),)


class HungLoop(Workflow[Trip], key="hung"):
    """Never ends, on the event loop."""

    only = HangsOnLoop()
    done = Done()
    start = only
    transitions = (only.never.to(done),)


class HungThread(Workflow[Trip], key="hung"):
    """Never ends, in a thread."""

    only = HangsInThread()
    done = Done()
    start = only
    transitions = (only.never.to(done),)


class HungProcess(Workflow[Trip], key="hung"):
    """Never ends, in a process."""

    only = HangsInProcess()
    done = Done()
    start = only
    transitions = (only.never.to(done),)


class Rated(Workflow[Trip], key="rated"):
    """The same step in all three places, one after the other."""

    loop = RatesOnLoop()
    thread = RatesInThread()
    process = RatesInProcess()
    done = Done()
    start = loop
    transitions = (loop.rated.to(thread), thread.rated.to(process), process.rated.to(done))


ASKED: tuple[type[Workflow[Any]], ...] = (AskedLoop, AskedThread, AskedProcess)
HUNG: tuple[type[Workflow[Any]], ...] = (HungLoop, HungThread, HungProcess)
