"""Who executes attempts: the worker's runner on the event loop and in threads, the Simulator's with its stubs."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId, Kind


class Runner(Protocol):
    """Executes attempts; none of its methods blocks."""

    def start(self, attempt: Attempt) -> asyncio.Future[AttemptEnd]:
        """Begins to execute an attempt, or gives back the execution that is under way.

        The future ends with what the engine is to be told, never with the step's exception; it is cancelled when the
        attempt is stopped.
        """
        ...

    def has_room_for(self, kind: Kind) -> bool:
        """Whether an attempt of this kind may begin now; else it begins after the commit, when its turn comes."""
        ...

    def is_running(self, attempt: AttemptId) -> bool:
        """Whether this very attempt is being executed here."""
        ...

    def stop(self, attempt: AttemptId) -> None:
        """Stops an attempt whose outcome is no longer wanted."""
        ...
