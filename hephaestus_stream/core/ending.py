"""Where a run ends."""

from __future__ import annotations

from hephaestus_stream.core.node import Node


class Ending(Node):
    """A node at which the run is over; its name is told by the run's completion.

    Args:
        failure: Why the run failed, or None where it is completed.
        interrupts: Whether the ending may be reached while other branches run; they are then stopped.
    """

    def __init__(self, *, failure: str | None, interrupts: bool) -> None:
        self.failure = failure
        self.interrupts = interrupts
