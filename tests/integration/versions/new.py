"""The second version."""

from __future__ import annotations

from datetime import timedelta

from hephaestus_stream import Done, Failed, Wait, WaitForEvent, Workflow
from tests.integration.flows import Book, Stars, Trip


class NewTour(Workflow[Trip], key="tour", name="Tour", version=2):
    """Books the next tour after the stars."""

    nap = Wait(timedelta(milliseconds=200))
    stars = WaitForEvent(Stars, timeout=timedelta(days=1))
    book = Book()
    done = Done()
    unrated = Failed("nobody rated it")
    start = nap
    transitions = (
        nap.elapsed.to(stars),
        stars.received.to(book),
        stars.timed_out.to(unrated),
        book.booked.to(done),
    )
