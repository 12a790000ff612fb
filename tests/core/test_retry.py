"""The delays of a retry policy."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream import RetryPolicy
from hephaestus_stream.errors import StepDefinitionError
from tests.core.refusals import untyped

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("backoff", "seconds"), [("exponential", [1, 2, 4, 8, 10]), ("linear", [1, 2, 3, 4, 5]), ("constant", [1] * 5)]
)
def test_a_delay_grows_as_the_policy_says_up_to_its_bound(backoff: str, seconds: list[int]) -> None:
    policy = RetryPolicy(backoff=untyped(backoff), max_delay=10 * SECOND, jitter=0)
    assert [policy.delay(attempt, jitter=0.9) for attempt in range(1, 6)] == [each * SECOND for each in seconds]


def test_jitter_spreads_a_delay_around_itself_and_never_beyond_the_bound() -> None:
    policy = RetryPolicy(backoff="constant", initial_delay=10 * SECOND, max_delay=11 * SECOND, jitter=0.4)
    assert policy.delay(1, jitter=0) == 8 * SECOND
    assert policy.delay(1, jitter=0.5) == 10 * SECOND
    assert policy.delay(1, jitter=0.999) == 11 * SECOND


def test_a_thousandth_attempt_overflows_nothing() -> None:
    assert RetryPolicy(max_attempts=2000, jitter=0).delay(1999, jitter=0) == timedelta(seconds=60)


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"max_attempts": 0}, "max_attempts is 0; 1 is the least"),
        ({"initial_delay": -SECOND}, "it cannot be negative"),
        (
            {"max_delay": SECOND / 2},
            r"max_delay \(0:00:00.500000\) is shorter than initial_delay \(0:00:01\); give both",
        ),
        ({"jitter": 1.5}, "jitter is 1.5; it is a part, from 0 to 1"),
        ({"non_retryable": ("ValueError",)}, r"non_retryable is \('ValueError',\); give a tuple of exception classes"),
        ({"non_retryable": (int,)}, "give a tuple of exception classes"),
        ({"non_retryable": ValueError}, "give a tuple of exception classes"),
        ({"backoff": "cubic"}, "choose one of exponential, linear, constant"),
    ],
)
def test_a_bad_policy_is_refused_where_it_is_made(keywords: dict[str, object], says: str) -> None:
    with pytest.raises(StepDefinitionError, match=says):
        RetryPolicy(**untyped(keywords))
