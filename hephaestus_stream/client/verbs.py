"""The verbs of both clients, up to the moment of waiting: which command is sent, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Generic, TypeVar, cast

from hephaestus_stream.client.options import Resuming, Sending, Starting, Steering
from hephaestus_stream.client.run import Published, Receipt, Run, receipt_of, run_of
from hephaestus_stream.client.transport import DEFAULT_TIMEOUT, Transport
from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.errors import NotEndedError
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.request import (
    AnyWorkflow,
    PlainT,
    cancel_command,
    migrate_command,
    resume_command,
    skip_command,
    start_command,
    steering_command,
)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Call(Generic[ResultT]):
    """A command on its way out, and how to read what comes back.

    Attributes:
        command: What is sent.
        read: Makes the verb's result of the answer; raises where the engine refused.
        options: How it is sent.
    """

    command: Command
    read: Callable[[Reply | Published], ResultT]
    options: Sending

    def send(self, transport: Transport) -> Future[Reply | Published]:
        """Sends the command, with the answer that the caller wants to wait for."""
        timeout = self.options.get("timeout", DEFAULT_TIMEOUT)
        submit = transport.submit if self.options.get("wait", True) else transport.publish
        # A future is invariant for those who fill it; here it is only read.
        return cast("Future[Reply | Published]", submit(self.command, timeout=timeout))


def starting(workflow: AnyWorkflow, id: str, payload: object, options: Starting) -> Call[Run]:  # noqa: A002 - the wire's own word
    """The start of a run.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: The payload does not fit the workflow's input.
    """
    _require_known(options, Starting)
    command = start_command(
        workflow,
        id,
        payload,
        command_id=options.get("command_id"),
        tags=options.get("tags", ()),
        metadata=options.get("metadata"),
        on_conflict=options.get("on_conflict", "reject"),
        version=options.get("version"),
    )
    return Call(command, lambda answer: run_of(command, answer), options)


def resuming(
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - as above
    event: NodeEvent[Any],
    payload: object,
    options: Resuming,
) -> Call[Receipt]:
    """An event from outside.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: The payload does not fit the event.
    """
    _require_known(options, Resuming)
    command = resume_command(workflow, id, event, payload, command_id=options.get("command_id"), run=options.get("run"))
    return Call(command, lambda answer: receipt_of(command, answer), options)


def migrating(workflow: AnyWorkflow, id: str, options: Resuming) -> Call[Receipt]:  # noqa: A002 - as above
    """The move of a run to the version of the class.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
    """
    _require_known(options, Resuming)
    command = migrate_command(workflow, id, command_id=options.get("command_id"), run=options.get("run"))
    return Call(command, lambda answer: receipt_of(command, answer), options)


def cancelling(workflow: AnyWorkflow, id: str, options: Steering) -> Call[Receipt]:  # noqa: A002 - as above
    """The end of a run by command.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
    """
    _require_known(options, Steering)
    command = cancel_command(
        workflow,
        id,
        command_id=options.get("command_id"),
        run=options.get("run"),
        by=options.get("by"),
        reason=options.get("reason"),
    )
    return Call(command, lambda answer: receipt_of(command, answer), options)


def steering(model: type[PlainT], workflow: AnyWorkflow, id: str, options: Steering) -> Call[Receipt]:  # noqa: A002 - as above
    """A retry, a pause, a continue or a terminate.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: An argument does not fit.
    """
    _require_known(options, Steering)
    command = steering_command(
        model,
        workflow,
        id,
        command_id=options.get("command_id"),
        run=options.get("run"),
        by=options.get("by"),
        reason=options.get("reason"),
    )
    return Call(command, lambda answer: receipt_of(command, answer), options)


def skipping(
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - as above
    event: NodeEvent[Any],
    payload: object,
    options: Steering,
) -> Call[Receipt]:
    """What a node ends with, in place of its step.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: The payload does not fit the event.
    """
    _require_known(options, Steering)
    command = skip_command(
        workflow,
        id,
        event,
        payload,
        command_id=options.get("command_id"),
        run=options.get("run"),
        by=options.get("by"),
        reason=options.get("reason"),
    )
    return Call(command, lambda answer: receipt_of(command, answer), options)


def not_ended(run: Run | Receipt | AnyWorkflow, id: str | None, timeout: timedelta | None) -> NotEndedError:  # noqa: A002 - as above
    """The error for a wait that took too long."""
    name, none = (run.key, "") if isinstance(run, Run | Receipt) else (f"{run.definition.key}::{id}", ", or has no run")
    seconds = 0 if timeout is None else timeout.total_seconds()
    return NotEndedError(f"{name} has not ended within {seconds:g} s{none}: wait longer, or look at what it waits for")


def _require_known(options: Sending, kind: type[Sending]) -> None:
    """Refuses keywords that no verb of the kind takes: Python looks at none that a dictionary of options collects.

    Raises:
        TypeError: There is one, as of a misspelt word.
    """
    known = kind.__annotations__  # those that it inherits are among them
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}=?" if near else f"there are {', '.join(sorted(known))}"
            raise TypeError(f"{name}= is no keyword of this verb; {meant}")
