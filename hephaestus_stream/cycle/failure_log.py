"""What the log says of failed attempts and failed runs: what a developer looks for there."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

from hephaestus_stream.core.decision import Decision, HistoryEvent
from hephaestus_stream.core.state import State

_logger: Final = logging.getLogger(__name__)

# The frames from which a step's code is called say nothing of its mistake; the last one of a traceback always stays.
_OWN_FRAME: Final = rf'  File "{re.escape(str(Path(__file__).parent))}[^"\n]*".*\n(?:    .*\n)*'
_OWN_FRAMES: Final = re.compile(rf"^(Traceback .*\n)(?:{_OWN_FRAME})+(?=  File )", re.MULTILINE)


def log_failures(decision: Decision) -> None:
    """Tells of the attempts that failed, with the place in the user's code, and of the run if it failed by them."""
    state = decision.state
    for event in decision.history:
        if event.type == "step_failed":
            _warn(state, event)
        elif event.type == "failed":
            _logger.error(
                "%s (run %s) failed at %s: %s",
                state.key,
                state.run,
                event.node,
                _what(event),
                extra=_fields(state, event),
            )


def _warn(state: State, event: HistoryEvent) -> None:
    """Tells of an attempt; its traceback is a text by now, which is bounded in the history already."""
    if not _logger.isEnabledFor(logging.WARNING):
        return
    said = ("%s: attempt %s of %s failed: %s", (state.key, event.attempt, event.node, _what(event)))
    record = _logger.makeRecord(
        _logger.name, logging.WARNING, __file__, 0, *said, None, _warn.__name__, _fields(state, event)
    )
    # Every formatter writes this below the line; `exc_info` would need the exception itself.
    record.exc_text = _OWN_FRAMES.sub(r"\1", str(event.details.get("traceback") or "")).rstrip() or None
    _logger.handle(record)


def _what(event: HistoryEvent) -> str:
    return f"{event.details.get('error')}: {event.details.get('message')}"


def _fields(state: State, event: HistoryEvent) -> dict[str, object]:
    """What a structured log keeps beside the sentence."""
    fields: dict[str, object] = {"key": state.key, "run": state.run, "workflow": state.workflow, "node": event.node}
    return fields if event.attempt is None else {**fields, "attempt": event.attempt}
