"""The virtual clock."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from hephaestus_stream.errors import SimulatorError


class VirtualClock:
    """Shows the same time until somebody sets it.

    Attributes:
        now: What it shows.
    """

    def __init__(self, now: datetime) -> None:
        __tracebackhide__ = True
        self.now = checked(now, of="Simulator(now=...)")


def checked(instant: datetime, *, of: str) -> datetime:
    """An instant that says where on earth it is meant.

    Raises:
        SimulatorError: It is none, or has no time zone.
    """
    __tracebackhide__ = True
    if not isinstance(cast("object", instant), datetime):
        raise SimulatorError(f"{of} got {instant!r}, which is no instant; give an aware datetime")
    if instant.tzinfo is None:
        raise SimulatorError(f"{of} got {instant!r}, which has no time zone; give datetime(..., tzinfo=UTC)")
    return instant
