"""`hephaestus retry`, `pause`, `continue`, `skip` and `terminate`: what operators do to a run."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from hephaestus_stream.cli.payload import read_payload
from hephaestus_stream.cli.sending import DEFAULTS, NOBODY, RunId, SendOptions, Told, made, send
from hephaestus_stream.cli.target import Target, find_target
from hephaestus_stream.wire.command import (
    ContinueCommand,
    PauseCommand,
    RetryCommand,
    SkipCommand,
    SteeringCommand,
    TerminateCommand,
)


def retry(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    /,
    *,
    run: RunId = None,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
) -> None:
    """Lets a failed or halted run go on.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(RetryCommand, "retried", find_target(workflow, id), run=run, told=told, options=options)


def pause(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    run: RunId = None,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
) -> None:
    """Lets nothing new begin in a run.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(PauseCommand, "paused", find_target(workflow, id), run=run, told=told, options=options)


def continue_(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    run: RunId = None,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
) -> None:
    """Lets a paused run go on.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(ContinueCommand, "continued", find_target(workflow, id), run=run, told=told, options=options)


def skip(
    workflow: str,
    id: str,  # noqa: A002 - as above
    outcome: str,
    /,
    *,
    payload: Annotated[str, Parameter(alias="-p", allow_leading_hyphen=True, show_default=False)] = "null",
    run: RunId = None,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
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
    _steer(SkipCommand, f"{outcome} →", target, run=run, told=told, options=options, **more)


def terminate(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    run: RunId = None,
    told: Told = NOBODY,
    options: SendOptions = DEFAULTS,
) -> None:
    """Ends a run at once.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    _steer(TerminateCommand, "terminated", find_target(workflow, id), run=run, told=told, options=options)


def _steer(
    model: type[SteeringCommand],
    what: str,
    target: Target,
    *,
    run: str | None,
    told: Told,
    options: SendOptions,
    **more: Any,  # noqa: ANN401 - checked by the model
) -> None:
    command = made(
        model,
        schema=model.SCHEMA,
        id=options.id(),
        workflow=target.workflow,
        key=target.key,
        run=run,
        **told.given(),
        **more,
    )
    send(command, what, options)
