"""Async steps: each runs in a task of the event loop."""

from __future__ import annotations

import logging
import random
from functools import partial
from typing import Final

from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, Kind
from hephaestus_stream.cycle.execute import execute_on_loop
from hephaestus_stream.runtime.steps.execution import Execution
from hephaestus_stream.runtime.steps.forked import original_only
from hephaestus_stream.runtime.steps.places import Places
from hephaestus_stream.runtime.steps.room import Room

_logger: Final = logging.getLogger(__name__)


class StepTasks:
    """Executes async steps in the tasks that ask for it.

    Args:
        count: How many at once, and a tenth on top for kinds that hold few places.
    """

    def __init__(self, count: int) -> None:
        self._places = Places(Room(count))

    async def execute(self, attempt: Attempt, work: Execution) -> AttemptEnd:
        """Runs a step; one that goes on after it was cancelled loses its place, and no more."""
        await self._places.acquire(attempt.kind)
        place = _Place(self._places, attempt.kind)
        try:
            work.engage(ask=work.task.cancel, give_up=partial(_abandon, work, place))
            work.begin()
            with original_only():
                return await execute_on_loop(attempt, jitter=random.random, stopping=work.is_stopping)
        except KeyboardInterrupt as error:
            # Signals reach a worker otherwise: it is the step's own, and must not end the worker.
            raise RuntimeError(f"{attempt.id.node} raised KeyboardInterrupt") from error
        finally:
            place.give_back()


class _Place:
    """One place, given back once: by its step, or over the head of its step."""

    def __init__(self, places: Places, kind: Kind) -> None:
        self._places = places
        self._kind = kind
        self._is_held = True

    def give_back(self) -> None:
        if self._is_held:
            self._is_held = False
            self._places.release(self._kind)


def _abandon(work: Execution, place: _Place) -> None:
    place.give_back()
    _logger.warning(
        "%s goes on though it was cancelled; the worker goes on without it. Let asyncio.CancelledError through in its "
        "execute, and bound what it awaits after it",
        work.name,
    )
