"""What the checks examined, and what they found wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 10


@dataclass
class Check:
    """One rule, and how often it was tried and broken.

    Attributes:
        name: The rule as a sentence.
        examined: How often it was tried.
        broken: How often it did not hold.
        first: The first cases in which it did not, each with its context.
    """

    name: str
    examined: int = 0
    broken: int = 0
    first: list[str] = field(default_factory=list[str])

    def judge(self, holds: bool, otherwise: str) -> bool:  # noqa: FBT001 - the condition is what is judged
        """Tries the rule on one case; `otherwise` says what is wrong if it does not hold."""
        self.examined += 1
        if not holds:
            self.broken += 1
            if len(self.first) < KEPT:
                self.first.append(otherwise)
        return holds


class Findings:
    """All checks by name, in the order in which they were first tried."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}

    def check(self, name: str) -> Check:
        """The check of that name, made at the first call."""
        return self.checks.setdefault(name, Check(name))

    @property
    def broken(self) -> list[Check]:
        """The checks that found something."""
        return [check for check in self.checks.values() if check.broken]

    def __str__(self) -> str:
        return "\n".join(
            f"{check.name}: {check.broken} of {check.examined}\n  " + "\n  ".join(check.first) for check in self.broken
        )
