"""`hephaestus retry`, `pause`, `continue`, `skip` and `terminate`: what operators do to a run."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from cyclopts import Parameter

from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.output import Output
from hephaestus_stream.cli.payload import read_payload
from hephaestus_stream.cli.sending import NOBODY, Id, RunId, Timeout, Told, kafka_settings, made, send
from hephaestus_stream.cli.target import Target, find_target
from hephaestus_stream.wire.command import (
    ContinueCommand,
    PauseCommand,
    RetryCommand,
    SkipCommand,
    SteeringCommand,
    TerminateCommand,
    new_id,
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """How a steering command is sent."""

    run: RunId = None
    command_id: Id = None
    timeout: Timeout = 30.0
    output: Output = "text"


DEFAULTS = SendOptions()


def retry(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    /,
    *,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Lets a failed or halted run go on.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(RetryCommand, "retried", find_target(workflow, id), kafka, told=told, options=options)


def pause(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Lets nothing new begin in a run.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(PauseCommand, "paused", find_target(workflow, id), kafka, told=told, options=options)


def continue_(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Lets a paused run go on.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(ContinueCommand, "continued", find_target(workflow, id), kafka, told=told, options=options)


def skip(
    workflow: str,
    id: str,  # noqa: A002 - as above
    outcome: str,
    /,
    *,
    payload: Annotated[str, Parameter(alias="-p", allow_leading_hyphen=True, show_default=False)] = "null",
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Ends a node in place of its step.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
        outcome: `NODE.EVENT`, as `charge.charged`: any event that the node declares.
        payload: What the event carries: JSON, `@FILE`, or `-` for standard input.
    """
    target = find_target(workflow, id)
    node, _, event = outcome.rpartition(".")
    content = read_payload(payload, option="--payload")
    target.check_outcome(node, event, content)
    more = {"node": node, "event": event, "payload": content}
    _steer(SkipCommand, f"{outcome} →", target, kafka, told=told, options=options, **more)


def terminate(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Ends a run at once.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(TerminateCommand, "terminated", find_target(workflow, id), kafka, told=told, options=options)


def _steer(
    model: type[SteeringCommand],
    what: str,
    target: Target,
    kafka: KafkaOptions,
    *,
    told: Told,
    options: SendOptions,
    **more: Any,  # noqa: ANN401 - checked by the model
) -> None:
    command = made(
        model,
        schema=model.SCHEMA,
        id=options.command_id or new_id(),
        workflow=target.workflow,
        key=target.key,
        run=options.run,
        **told.given(),
        **more,
    )
    patience = timedelta(seconds=options.timeout)
    asyncio.run(send(command, kafka_settings(kafka), what, patience=patience, output=options.output))
