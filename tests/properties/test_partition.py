"""A partition under random commands, timers, failures, crashes and duplicates keeps its books, and all its runs end."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.properties.books import by_run, check_books
from tests.properties.partition_histories import PartitionHistory
from tests.properties.regions import Region, regions
from tests.properties.world import TOPICS

LONG = 60
MOST = 1_000
"""Examples of a whole partition, which takes much longer than a run alone."""


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Random failures are logged as others are; nobody wants to read them."""
    caplog.set_level(logging.CRITICAL)


# The level of the log is the same for all examples.
@settings(
    max_examples=min(settings().max_examples, MOST),
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(regions(), st.data())
def test_after_each_commit_the_books_agree_and_in_the_end_all_runs_have_ended(
    region: Region, data: st.DataObject
) -> None:
    history = PartitionHistory(region, data)
    with closing(history.world):
        history.drawn(most=LONG)
        history.wind_up()
    check_books(history.world)
    tables = {key[:1] for key, _ in history.world.store.scan(b"", limit=100_000)}
    assert not tables & {b"t", b"a"}, "nothing is left to do"
    told = {each["type"] for records in by_run(history.world, TOPICS.history).values() for each in records}
    answers = {reply.reason or reply.effect or "" for replies in history.world.replies.values() for reply in replies}
    for word in sorted(told | {f"answered {answer}" for answer in answers}):
        event(word)
    event(f"{min(len(history.states()), 4)} runs or more")
