"""A step that shows what it sees."""

from __future__ import annotations

import logging

from hephaestus_stream.core.context import Context
from hephaestus_stream.core.event import Event, Outcome
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.step import Step

_logger = logging.getLogger("hephaestus_stream.debug")


class Debug(Step[object, str]):
    """Logs a message with the run's start payload and the results so far, and goes on.

    Args:
        config: The message.
    """

    logged = Event()

    async def execute(self, instance: Instance, config: str, context: Context[object]) -> Outcome:
        """Writes one line to the logger `hephaestus_stream.debug`, at level INFO."""
        results = {node: result.payload for node, result in context.steps.items()}
        _logger.info(
            "%s: %s (run %s, initial %r, results %r)", instance.key, config, instance.run, context.initial, results
        )
        return self.logged()
