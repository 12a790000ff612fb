"""The first version."""

from __future__ import annotations

from datetime import timedelta

from hephaestus_stream import Done, Failed, Wait, WaitForEvent, Workflow
from tests.integration.flows import Stars, Trip


class OldTour(Workflow[Trip], key="tour", name="Tour"):
    """Waits for stars beside a short nap."""

    nap = Wait(timedelta(milliseconds=200))
    stars = WaitForEvent(Stars, timeout=timedelta(days=1))
    done = Done()
    unrated = Failed("nobody rated it")
    start = nap
    transitions = (nap.elapsed.to(stars), stars.received.to(done), stars.timed_out.to(unrated))
