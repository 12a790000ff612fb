"""Whether a partition is read, and since when it is not."""

from __future__ import annotations

import time


class Reading:
    """What keeps a partition from being read, for those who watch.

    Attributes:
        pause: The reason and, by the monotonic clock, since when; None while it is read.
    """

    def __init__(self) -> None:
        self.pause: tuple[str, float] | None = None

    def note(self, full: str | None) -> None:
        """What is full just now: another reason does not begin another pause."""
        if full is None:
            self.pause = None
        elif self.pause is None:
            self.pause = (full, time.monotonic())
        else:
            self.pause = (full, self.pause[1])
