"""`hephaestus retry`, `pause`, `continue`, `skip` and `terminate`: what operators do to a run."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from cyclopts import Parameter

from hephaestus_stream.cli.options import ADDRESS_DEFAULTS, KAFKA_DEFAULTS, ApiAddress, KafkaOptions
from hephaestus_stream.cli.output import Output
from hephaestus_stream.cli.payload import read_payload
from hephaestus_stream.cli.sending import NOBODY, Id, RunId, Timeout, Told, made, send, settings_of
from hephaestus_stream.cli.target import Target, find_target
from hephaestus_stream.wire.command import (
    ContinueCommand,
    PauseCommand,
    RetryCommand,
    SkipCommand,
    SteeringCommand,
    TerminateCommand,
    id_or_new,
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
    address: ApiAddress = ADDRESS_DEFAULTS,
) -> None:
    """Lets a failed or halted run go on.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(RetryCommand, "retried", find_target(workflow, id), told=told, options=options, reach=(kafka, address))


def pause(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
    address: ApiAddress = ADDRESS_DEFAULTS,
) -> None:
    """Lets nothing new begin in a run.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(PauseCommand, "paused", find_target(workflow, id), told=told, options=options, reach=(kafka, address))


def continue_(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
    address: ApiAddress = ADDRESS_DEFAULTS,
) -> None:
    """Lets a paused run go on.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(ContinueCommand, "continued", find_target(workflow, id), told=told, options=options, reach=(kafka, address))


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
    address: ApiAddress = ADDRESS_DEFAULTS,
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
    _steer(SkipCommand, f"{outcome} →", target, told=told, options=options, reach=(kafka, address), **more)


def terminate(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
    address: ApiAddress = ADDRESS_DEFAULTS,
) -> None:
    """Ends a run at once.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(
        TerminateCommand, "terminated", find_target(workflow, id), told=told, options=options, reach=(kafka, address)
    )


def _steer(
    model: type[SteeringCommand],
    what: str,
    target: Target,
    *,
    told: Told,
    options: SendOptions,
    reach: tuple[KafkaOptions, ApiAddress],
    **more: Any,  # noqa: ANN401 - checked by the model
) -> None:
    command = made(
        model,
        schema=model.SCHEMA,
        id=id_or_new(options.command_id),
        workflow=target.workflow,
        key=target.key,
        run=options.run,
        **told.given(),
        **more,
    )
    patience, (kafka, address) = timedelta(seconds=options.timeout), reach
    asyncio.run(send(command, settings_of(kafka, address), what, patience=patience, output=options.output))
