"""The wait step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hephaestus_stream import Context, Instance, Suspend, Wait
from hephaestus_stream.errors import StepDefinitionError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
INSTANCE = Instance("order::1", "run-1", "Flow", 1, (), {}, NOON)


def tomorrow(context: Context[datetime]) -> datetime:
    return context.initial + timedelta(days=1)


async def suspended(wait: Wait) -> Suspend:
    outcome = await wait.execute(INSTANCE, wait.config, Context(NOON, "run-1/wait"))
    assert isinstance(outcome, Suspend)
    assert outcome.otherwise is not None
    assert outcome.otherwise.event == "elapsed"
    return outcome


@pytest.mark.parity(11)
async def test_a_wait_lasts_for_a_duration_until_an_instant_or_as_the_context_says() -> None:
    assert (await suspended(Wait(timedelta(hours=1)))).timeout == timedelta(hours=1)
    assert (await suspended(Wait(NOON))).until == NOON
    assert (await suspended(Wait(tomorrow))).until == NOON + timedelta(days=1)


def test_an_instant_without_a_time_zone_is_refused_where_it_is_written() -> None:
    with pytest.raises(StepDefinitionError, match=r"has no time zone \(.*test_wait.py:\d+\): give an aware datetime"):
        Wait(datetime(2026, 1, 1))  # noqa: DTZ001  # wrong on purpose
