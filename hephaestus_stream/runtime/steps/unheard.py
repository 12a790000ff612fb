"""How much the outcomes hold that wait for their commit."""

from __future__ import annotations

from typing import Final

from hephaestus_stream.core.input import StepEmitted
from hephaestus_stream.cycle.attempt import AttemptEnd, AttemptId

MAX_BYTES: Final = 32 * 1024 * 1024
"""From this on no step begins, since its outcome would come on top."""

_WORTH_NOTING: Final = 1_000


class UnheardOutcomes:
    """Adds up the bytes of outcomes from the end of their attempts to their commits."""

    def __init__(self) -> None:
        self._sizes: dict[AttemptId, int] = {}
        self.bytes = 0

    @property
    def are_large(self) -> bool:
        """Whether so much waits that nothing more may begin."""
        return self.bytes > MAX_BYTES

    def add(self, attempt: AttemptId, end: AttemptEnd) -> None:
        """An attempt has ended; small outcomes are not worth the trouble."""
        size = end.reported.size if isinstance(end, StepEmitted) else 0
        if size > _WORTH_NOTING and attempt not in self._sizes:
            self._sizes[attempt] = size
            self.bytes += size

    def forget(self, attempt: AttemptId) -> None:
        """Its outcome is committed, or wanted by nobody."""
        if self._sizes:
            self.bytes -= self._sizes.pop(attempt, 0)
