"""How often, and how long after a failure, a step is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast

from hephaestus_stream.core.location import caller
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import StepDefinitionError

_BACKOFFS = ("exponential", "linear", "constant")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The attempts that a step gets, and the delays between them.

    Attributes:
        max_attempts: All attempts together, the first among them; 1 means no retry.
        backoff: How the delay grows: `exponential` doubles it, `linear` adds `initial_delay` each time.
        initial_delay: The delay after the first failure.
        max_delay: No delay is longer, jitter included.
        jitter: The part of a delay that is spread at random, from 0 (none) to 1, so that many instances that
            failed at one moment do not come back at one moment.
        non_retryable: Exceptions that fail the node at once, as `PermanentError` always does.

    Raises:
        StepDefinitionError: A value is out of its range.
    """

    max_attempts: int = 5
    backoff: Literal["exponential", "linear", "constant"] = "exponential"
    initial_delay: timedelta = timedelta(seconds=1)
    max_delay: timedelta = timedelta(seconds=60)
    jitter: float = 0.1
    non_retryable: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        wrong = dict(_problems(self))
        if wrong:
            what = ", ".join(f"{name}={getattr(self, name)!r}" for name in wrong)
            where = caller(outside=frozenset({__name__}))
            raise StepDefinitionError(
                problem(
                    Rule.BAD_RETRY_POLICY,
                    where,
                    what=f"RetryPolicy cannot have {what}",
                    remedy="; ".join(f"{name} must be {remedy}" for name, remedy in wrong.items()),
                )
            )

    def delay(self, attempt: int, *, jitter: float) -> timedelta:
        """The delay after attempt number `attempt` failed.

        Args:
            attempt: The attempt that failed, counted from 1.
            jitter: A random number in [0, 1) from outside: the policy itself is pure.
        """
        match self.backoff:
            case "constant":
                factor = 1.0
            case "linear":
                factor = float(attempt)
            case "exponential":
                factor = 2.0 ** min(attempt - 1, 60)
        seconds = min(self.initial_delay.total_seconds() * factor, self.max_delay.total_seconds())
        spread = seconds * self.jitter
        return timedelta(seconds=min(seconds - spread / 2 + spread * jitter, self.max_delay.total_seconds()))


def _problems(policy: RetryPolicy) -> Iterator[tuple[str, str]]:
    """What is wrong with a policy: a field, and what it must be; a type checker would find some of it."""
    attempts, initial, longest, jitter = cast(
        "tuple[object, object, object, object]",
        (policy.max_attempts, policy.initial_delay, policy.max_delay, policy.jitter),
    )
    if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
        yield "max_attempts", "a whole number from 1 (the first attempt alone)"
    if policy.backoff not in _BACKOFFS:
        yield "backoff", f"one of {', '.join(_BACKOFFS)}"
    if not isinstance(initial, timedelta) or initial < timedelta(0):
        yield "initial_delay", "a timedelta of zero or more"
    elif not isinstance(longest, timedelta) or longest < initial:
        yield "max_delay", f"a timedelta no shorter than initial_delay ({initial}); give both"
    if not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        yield "jitter", "a part, from 0 to 1"
    if not _are_exceptions(policy.non_retryable):
        yield "non_retryable", "a tuple of exception classes, as (ValueError,)"


def _are_exceptions(classes: object) -> bool:
    return isinstance(classes, tuple) and all(
        isinstance(each, type) and issubclass(each, BaseException) for each in cast("tuple[object, ...]", classes)
    )


DEFAULT_RETRY = RetryPolicy()
"""What a step gets where neither it nor its workflow says otherwise."""
