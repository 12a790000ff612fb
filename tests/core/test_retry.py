"""The delays of a retry policy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream import RetryAfterError, RetryPolicy
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import StepDefinitionError
from tests.core.refusals import step_problem_of, untyped

SECOND = timedelta(seconds=1)


def growth(backoff: str, attempt: int) -> int:
    """By how much a delay has grown after so many failures."""
    return {"exponential": 1 << (attempt - 1), "linear": attempt, "constant": 1}[backoff]


@pytest.mark.parity(10)
@pytest.mark.parametrize(
    ("backoff", "seconds"), [("exponential", [1, 2, 4, 8, 10]), ("linear", [1, 2, 3, 4, 5]), ("constant", [1] * 5)]
)
def test_a_delay_grows_as_the_policy_says_up_to_its_bound(backoff: str, seconds: list[int]) -> None:
    policy = RetryPolicy(backoff=untyped(backoff), max_delay=10 * SECOND, jitter=0)
    assert [policy.delay(attempt, jitter=0.9) for attempt in range(1, 6)] == [each * SECOND for each in seconds]


@pytest.mark.parity(10)
def test_jitter_spreads_a_delay_around_itself_and_never_beyond_the_bound() -> None:
    policy = RetryPolicy(backoff="constant", initial_delay=10 * SECOND, max_delay=11 * SECOND, jitter=0.4)
    assert policy.delay(1, jitter=0) == 8 * SECOND
    assert policy.delay(1, jitter=0.5) == 10 * SECOND
    assert policy.delay(1, jitter=0.999) == 11 * SECOND


@pytest.mark.parity(10)
@pytest.mark.parametrize("backoff", ["exponential", "linear", "constant"])
def test_at_the_bound_jitter_may_only_shorten_a_delay(backoff: str) -> None:
    policy = RetryPolicy(backoff=untyped(backoff), initial_delay=8 * SECOND, max_delay=8 * SECOND, jitter=1)
    assert policy.delay(7, jitter=0) == 4 * SECOND
    assert policy.delay(7, jitter=0.25) == 6 * SECOND
    assert policy.delay(7, jitter=0.5) == policy.delay(7, jitter=0.999) == 8 * SECOND


@pytest.mark.parity(10)
@given(
    backoff=st.sampled_from(["exponential", "linear", "constant"]),
    attempt=st.integers(1, 40),
    initial=st.integers(0, 600),
    more=st.integers(0, 100_000),
    part=st.floats(0, 1),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_any_delay_lies_around_its_growth_and_below_its_bound(
    *, backoff: str, attempt: int, initial: int, more: int, part: float, jitter: float
) -> None:
    policy = RetryPolicy(
        backoff=untyped(backoff), initial_delay=initial * SECOND, max_delay=(initial + more) * SECOND, jitter=part
    )
    grown = min(initial * growth(backoff, attempt), initial + more)
    delay = policy.delay(attempt, jitter=jitter).total_seconds()
    assert delay <= initial + more
    assert delay == pytest.approx(min(grown * (1 + part * (jitter - 0.5)), initial + more), abs=1e-5)


def test_a_thousandth_attempt_overflows_nothing() -> None:
    assert RetryPolicy(max_attempts=2000, jitter=0).delay(1999, jitter=0) == timedelta(seconds=60)


@pytest.mark.parametrize(
    ("keywords", "must"),
    [
        ({"max_attempts": 0}, "max_attempts must be a whole number from 1"),
        ({"max_attempts": "3"}, "max_attempts must be a whole number from 1"),
        ({"initial_delay": -SECOND}, "initial_delay must be a timedelta of zero or more"),
        ({"initial_delay": 5}, "initial_delay must be a timedelta of zero or more"),
        ({"max_delay": SECOND / 2}, "max_delay must be a timedelta no shorter than initial_delay (0:00:01)"),
        ({"max_delay": 60}, "max_delay must be a timedelta no shorter than initial_delay (0:00:01)"),
        ({"jitter": 1.5}, "jitter must be a part, from 0 to 1"),
        ({"non_retryable": ("ValueError",)}, "non_retryable must be a tuple of exception classes"),
        ({"non_retryable": (int,)}, "non_retryable must be a tuple of exception classes"),
        ({"non_retryable": ValueError}, "non_retryable must be a tuple of exception classes"),
        ({"backoff": "cubic"}, "backoff must be one of exponential, linear, constant"),
    ],
)
def test_a_bad_policy_is_refused_where_it_is_made(keywords: dict[str, object], must: str) -> None:
    def make() -> None:
        RetryPolicy(**untyped(keywords))  # here

    problem = step_problem_of(make, Rule.BAD_RETRY_POLICY)
    [(name, value)] = keywords.items()
    assert problem.what == f"RetryPolicy cannot have {name}={value!r}"
    assert problem.remedy.startswith(must)


def test_all_that_is_wrong_with_a_policy_is_told_at_once() -> None:
    def make() -> None:
        RetryPolicy(max_attempts=0, jitter=2)  # here

    assert step_problem_of(make, Rule.BAD_RETRY_POLICY).what == "RetryPolicy cannot have max_attempts=0, jitter=2"


@pytest.mark.parity(10)
def test_a_delay_that_a_step_gives_is_a_duration() -> None:
    assert RetryAfterError("busy", delay=5 * SECOND).delay == 5 * SECOND
    with pytest.raises(StepDefinitionError, match=r"RetryAfterError\(delay=5\) is no duration; give a timedelta"):
        RetryAfterError("busy", delay=untyped(5))
