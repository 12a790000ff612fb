"""What a shard tells of its cycles: only of what is committed, and once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

from hephaestus_stream.core.decision import Decision
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.telemetry import names
from hephaestus_stream.telemetry.api import LISTENERS, Attributes, counter, histogram
from hephaestus_stream.telemetry.run_spans import tell_spans

_logger: Final = logging.getLogger(__name__)

_OUTCOMES: Final[Mapping[str, str]] = {
    "step_completed": "completed",
    "step_failed": "failed",
    "interrupted": "interrupted",
}

_STARTED: Final = counter(names.RUNS_STARTED)
_ENDED: Final = counter(names.RUNS_ENDED)
_RUN_DURATION: Final = histogram(names.RUN_DURATION)
_TRANSITIONS: Final = counter(names.TRANSITIONS)
_ATTEMPTS: Final = counter(names.STEP_ATTEMPTS)
_COMMANDS: Final = counter(names.COMMANDS)
_CYCLE: Final = histogram(names.CYCLE_DURATION)
_INPUTS: Final = histogram(names.CYCLE_INPUTS)
_COMMIT: Final = histogram(names.COMMIT_DURATION)


class ShardTelemetry:
    """Follows the cycles of one shard."""

    def __init__(self) -> None:
        self._cycle_began = self._commit_began = time.perf_counter()

    def cycle_begins(self) -> None:
        """Inputs are taken."""
        LISTENERS.look()
        self._cycle_began = time.perf_counter()

    def commit_begins(self) -> None:
        """The cycle's batch goes to the broker."""
        self._commit_began = time.perf_counter()

    def committed(self, batch: Batch, *, inputs: int) -> None:
        """Tells of a batch; each set of attributes is counted once, however often it occurs.

        Exporters and processors are the user's: what they raise is logged, and costs the shard nothing.
        """
        try:
            self._tell(batch, inputs=inputs)
        except Exception:
            _logger.exception("a committed batch could not be told to OpenTelemetry")

    def _tell(self, batch: Batch, *, inputs: int) -> None:
        if LISTENERS.measures:
            now = time.perf_counter()
            _CYCLE.record(now - self._cycle_began)
            _COMMIT.record(now - self._commit_began)
            _INPUTS.record(inputs)
            _count_commands(batch)
            _count_decisions(batch)
        if LISTENERS.traces:
            tell_spans(batch)


def _count_commands(batch: Batch) -> None:
    for (command, outcome), count in Counter((taken.type, taken.outcome) for taken in batch.taken).items():
        _COMMANDS.add(count, {names.COMMAND: command or "unknown", names.OUTCOME: outcome})


def _count_decisions(batch: Batch) -> None:
    transitions = Counter[tuple[str, int, str]]()
    attempts = Counter[tuple[str, int, str | None, str]]()
    for decision in batch.decisions:
        state = decision.state
        for event in decision.history:
            transitions[state.workflow, state.version, event.type] += 1
            outcome = _OUTCOMES.get(event.type)
            if outcome is not None:
                attempts[state.workflow, state.version, event.node, outcome] += 1
        if _ends(decision):
            _tell_end(decision)
    for (workflow, version, kind), count in transitions.items():
        of = _of(workflow, version)
        _TRANSITIONS.add(count, {**of, names.TRANSITION: kind})
        if kind == "started":
            _STARTED.add(count, of)
    for (workflow, version, node, outcome), count in attempts.items():
        _ATTEMPTS.add(count, {**_of(workflow, version), names.NODE: node or "", names.OUTCOME: outcome})


def _of(workflow: str, version: int) -> Attributes:
    return {names.WORKFLOW: workflow, names.VERSION: version}


def _ends(decision: Decision) -> bool:
    return any(event.type in ("completed", "failed", "cancelled") for event in decision.history)


def _tell_end(decision: Decision) -> None:
    state = decision.state
    told: Attributes = {**_of(state.workflow, state.version), names.STATUS: state.status}
    _ENDED.add(1, told)
    _RUN_DURATION.record((state.updated_at - state.started_at).total_seconds(), told)
