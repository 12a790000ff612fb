"""The endings of a run."""

from __future__ import annotations

from hephaestus_stream.core.ending import Ending


class Done(Ending):
    """The run is completed here; several of them are named endings: `rejected = Done()`.

    Args:
        interrupts: Whether a branch of a fan-out may leave for this ending; what runs beside it is then stopped.
    """

    def __init__(self, *, interrupts: bool = False) -> None:
        super().__init__(failure=None, interrupts=interrupts)


class Failed(Ending):
    """The run fails here, and what runs beside it is stopped.

    Args:
        reason: Why, for people: it becomes the error of the completion.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(failure=reason, interrupts=True)
