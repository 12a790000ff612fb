"""How often, and how long after a failure, a step is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast

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
        problems = [
            text
            for wrong, text in (
                (self.max_attempts < 1, f"max_attempts is {self.max_attempts}; 1 is the least (the first attempt)"),
                (self.initial_delay < timedelta(0), f"initial_delay is {self.initial_delay}; it cannot be negative"),
                (
                    self.max_delay < self.initial_delay,
                    f"max_delay ({self.max_delay}) is shorter than initial_delay ({self.initial_delay}); give both",
                ),
                (not 0 <= self.jitter <= 1, f"jitter is {self.jitter}; it is a part, from 0 to 1"),
                (self.backoff not in _BACKOFFS, f"backoff is {self.backoff!r}; choose one of {', '.join(_BACKOFFS)}"),
                (
                    not _are_exceptions(self.non_retryable),
                    f"non_retryable is {self.non_retryable!r}; give a tuple of exception classes, as (ValueError,)",
                ),
            )
            if wrong
        ]
        if problems:
            raise StepDefinitionError("RetryPolicy: " + "; ".join(problems))

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


def _are_exceptions(classes: object) -> bool:
    return isinstance(classes, tuple) and all(
        isinstance(each, type) and issubclass(each, BaseException) for each in cast("tuple[object, ...]", classes)
    )


DEFAULT_RETRY = RetryPolicy()
"""What a step gets where neither it nor its workflow says otherwise."""
