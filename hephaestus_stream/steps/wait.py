"""A step that lets time pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hephaestus_stream.core.context import Context
from hephaestus_stream.core.event import Event, Outcome, Suspend
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.step import Step
from hephaestus_stream.errors import StepDefinitionError

Delay = timedelta | datetime | Callable[[Context[Any]], timedelta | datetime]
"""For how long, until when, or a pure function of the context that says either."""


class Wait(Step[object, Delay]):
    """Waits for a duration, until an instant, or as the context says; it survives every restart.

    Args:
        config: As `timedelta(days=14)`, an aware `datetime`, or a function such as
            `lambda context: context.initial.due_date`.
    """

    elapsed = Event()

    def __init__(self, config: Delay) -> None:
        if isinstance(config, datetime) and config.tzinfo is None:
            what, remedy = (
                f"Wait({config!r}) has no time zone",
                "give an aware datetime, as datetime(2030, 1, 1, tzinfo=UTC)",
            )
            raise StepDefinitionError(problem(Rule.BAD_WAIT, self.location, what=what, remedy=remedy))
        super().__init__(config)

    async def execute(self, instance: Instance, config: Delay, context: Context[object]) -> Outcome:
        """Suspends until the time has come."""
        delay = config if isinstance(config, timedelta | datetime) else config(context)
        if isinstance(delay, timedelta):
            return Suspend(timeout=delay, otherwise=self.elapsed())
        return Suspend(until=delay, otherwise=self.elapsed())
