"""An attempt that is executed where no keys are: what it sees is opened before, what it brings forth sealed after."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hephaestus_stream.core.input import StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.state import NodeState, Reported, State
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd
from hephaestus_stream.cycle.error_text import discreet
from hephaestus_stream.cycle.results import RecordedResults
from hephaestus_stream.encryption.envelope import Place
from hephaestus_stream.encryption.run import input_place, metadata_place, result_place


def plain_state(attempt: Attempt) -> State:
    """The run with the payloads that the step may see as plain JSON; the others stay as they are.

    Raises:
        PayloadUnreadableError: One of them cannot be read.
    """
    state, cipher = attempt.state, attempt.cipher
    if not cipher.is_on:
        return state
    visible = RecordedResults(attempt.definition, state, attempt.id.node).visible()
    opened = {node: _opened(attempt, node, state.nodes[node]) for node in visible}
    plain = cipher.open(state.input, input_place(state))
    return msgspec.structs.replace(state, input=plain, nodes={**state.nodes, **opened})


def sealed_end(attempt: Attempt, end: AttemptEnd) -> AttemptEnd:
    """How the attempt ended, with what it reported sealed."""
    if not attempt.cipher.is_on:
        return end
    match end:
        case StepEmitted():
            reported = _each(attempt, attempt.id.node, end.reported, attempt.cipher.seal)
            return msgspec.structs.replace(end, reported=reported)
        case StepSuspended() if end.otherwise is not None:
            otherwise = _each(attempt, attempt.id.node, end.otherwise, attempt.cipher.seal)
            return msgspec.structs.replace(end, otherwise=otherwise)
        case StepFailed():
            error = discreet(end.error, attempt.state, attempt.id.node, cipher=attempt.cipher)
            return msgspec.structs.replace(end, error=error)
        case StepSuspended():
            return end


def _opened(attempt: Attempt, node: str, state: NodeState) -> NodeState:
    if state.reported is None:
        return state
    return msgspec.structs.replace(state, reported=_each(attempt, node, state.reported, attempt.cipher.open))


def _each(attempt: Attempt, node: str, reported: Reported, change: Callable[[bytes, Place], bytes]) -> Reported:
    payload, metadata = reported.payload, reported.metadata
    return Reported(
        reported.event,
        None if payload is None else change(payload, result_place(attempt.state, node)),
        None if metadata is None else change(metadata, metadata_place(attempt.state, node)),
    )
