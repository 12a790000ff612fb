"""Commands that steer a run, as the engine takes them."""

from __future__ import annotations

from typing import assert_never

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import Cancel, Continue, Pause, Retry, Skip
from hephaestus_stream.core.state import Reported, State
from hephaestus_stream.cycle.payload import event_payload
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.run import event_place, result_place
from hephaestus_stream.wire.command import (
    CancelCommand,
    ContinueCommand,
    PauseCommand,
    RetryCommand,
    SkipCommand,
    SteeringCommand,
    TerminateCommand,
)


def steering(
    command: CancelCommand | SteeringCommand, definition: Definition | None, state: State, *, cipher: Cipher
) -> Cancel | Retry | Pause | Continue | Skip | None:
    """What the engine is to be told; None where the run is parked, and the command says what needs its workflow.

    Args:
        command: What somebody wants.
        definition: The run's workflow; None where the run is parked.
        state: The run.
        cipher: Opens the payload that a node is to end with, and seals it.
    """
    id, reason = command.id, command.reason  # noqa: A001 - the command's id
    match command:
        case CancelCommand():
            return Cancel(id, reason, command.by)
        case TerminateCommand():
            return Cancel(id, reason, command.by, at_once=True)
        case PauseCommand():
            return Pause(id, reason, command.by)
        case RetryCommand():
            return None if definition is None else Retry(id, reason, command.by)
        case ContinueCommand():
            return None if definition is None else Continue(id, reason, command.by)
        case SkipCommand():
            return None if definition is None else _skip(command, definition, state, cipher=cipher)
        case _:
            assert_never(command)


def _skip(command: SkipCommand, definition: Definition, state: State, *, cipher: Cipher) -> Skip:
    payload, problem = event_payload(
        command.payload_json(),
        definition.events.get(command.node, {}).get(command.event),
        cipher=cipher,
        sent_for=event_place(state.workflow, state.key, command=command.id, event=command.event),
        kept_for=result_place(state, command.node),
    )
    return Skip(
        command.id,
        command.reason,
        command.by,
        node=command.node,
        reported=Reported(command.event, payload),
        problem=problem,
    )
