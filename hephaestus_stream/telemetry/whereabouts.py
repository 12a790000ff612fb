"""To what all belongs that a step logs and traces, for a step that another process executes."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

import msgspec
from opentelemetry import context, trace

from hephaestus_stream.telemetry.api import context_of, text_of
from hephaestus_stream.telemetry.log_fields import add_log_fields, added_log_fields

ResultT = TypeVar("ResultT")


class Whereabouts(msgspec.Struct, frozen=True):
    """The fields of the log and the span that are open somewhere; another process goes on with both.

    Attributes:
        fields: What its lines have beside their sentence.
        trace: The span under which it calls others, as a text.
    """

    fields: dict[str, object]
    trace: str | None

    @classmethod
    def here(cls) -> Whereabouts:
        """Those of the code that asks."""
        return cls(added_log_fields(), text_of(trace.get_current_span()))

    def run(self, call: Callable[[], ResultT]) -> ResultT:
        """Calls something as if it were there; nothing of it is left afterwards."""
        return copy_context().run(self._run, call)

    def _run(self, call: Callable[[], ResultT]) -> ResultT:
        add_log_fields(self.fields)
        context.attach(context_of(self.trace))
        return call()
