"""How soon a shard's next cycle begins: at once where little comes in, after a rest where much does."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

LONGEST_REST: Final = timedelta(milliseconds=10)

_SEVERAL: Final = 3
"""Inputs of a cycle that came in while another was under way: more are on their way."""

_MANY: Final = 64
"""Inputs that are worth a cycle by now."""


class Pace:
    """Lets a shard rest for as long as it has worked while several inputs come in at a time.

    A cycle costs a transaction, however little is in it: a steady stream of inputs for one partition would take all of
    the processor in small ones, and whoever waits in another partition pays for it. A lone input never waits.
    """

    def __init__(self) -> None:
        self._rests_until = 0.0

    def ended(self, *, began: float, now: float, inputs: int) -> None:
        """A cycle is over; times are those of the event loop, in seconds."""
        self._rests_until = now + min(now - began, LONGEST_REST.total_seconds()) if inputs >= _SEVERAL else now

    def rest(self, now: float, *, waiting: int) -> float:
        """Seconds until the next cycle may begin, for which so many inputs wait."""
        return 0.0 if waiting >= _MANY else max(0.0, self._rests_until - now)
