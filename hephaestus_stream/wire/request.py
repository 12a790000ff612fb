"""Commands as Python programs make them: from workflow classes, ids and models."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Literal, TypedDict, TypeVar, Unpack, cast

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.errors import CommandError
from hephaestus_stream.wire.command import (
    CancelCommand,
    Command,
    ContinueCommand,
    MigrateCommand,
    PauseCommand,
    ResumeCommand,
    RetryCommand,
    SkipCommand,
    StartCommand,
    TerminateCommand,
    id_or_new,
)
from hephaestus_stream.wire.key import full_key
from hephaestus_stream.wire.problem import payload_problems, problems_of

AnyWorkflow = type[Workflow[Any]]
PlainT = TypeVar("PlainT", RetryCommand, PauseCommand, ContinueCommand, TerminateCommand)


def definition_of(workflow: AnyWorkflow) -> Definition:
    """The graph of a workflow class.

    Raises:
        TypeError: It is no workflow class, as its stored name is none.
    """
    definition: object = getattr(workflow, "definition", None)
    if not isinstance(definition, Definition):
        raise TypeError(
            f"{workflow!r} is no workflow class: give the class, one with start and transitions; where there is none, "
            "`send` a command, which names it"
        )
    return definition


class Told(TypedDict, total=False):
    """What commands that steer a run say for its history.

    Attributes:
        by: Who wants it.
        reason: Why.
    """

    by: str | None
    reason: str | None


def start_command(
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - the wire's own word
    payload: object,
    *,
    command_id: str | None = None,
    tags: tuple[str, ...] = (),
    metadata: Mapping[str, Any] | None = None,
    on_conflict: OnConflict = "reject",
    version: int | Literal["current"] | None = None,
) -> StartCommand:
    """The command that starts a run of an id: in the class's version, in the one named, or in the workers' current one.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: The payload does not fit the workflow's input, or another argument does not fit.
    """
    definition = definition_of(workflow)
    with _told_in_one_line(StartCommand):
        return StartCommand(
            id=id_or_new(command_id),
            workflow=definition.name,
            version=definition.version if version is None else None if version == "current" else version,
            key=full_key(definition.key, id),
            input=_json(definition.input_adapter, payload, of=f"the input of {definition.name}"),
            tags=tags,
            metadata=dict(metadata or {}),
            on_conflict=on_conflict,
        )


def resume_command(
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - the wire's own word
    event: NodeEvent[Any],
    payload: object = None,
    *,
    command_id: str | None = None,
    run: str | None = None,
) -> ResumeCommand:
    """The command that sends an event to a node of the id's live run.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: The payload does not fit the event, or another argument does not fit.
        TypeError: The event is none, as its name is none.
    """
    definition = definition_of(workflow)
    content = _event_json(workflow, event, payload)
    with _told_in_one_line(ResumeCommand):
        return ResumeCommand(
            id=id_or_new(command_id),
            workflow=definition.name,
            key=full_key(definition.key, id),
            run=run,
            node=event.node.node_name,
            event=event.event.name,
            payload=content,
        )


def skip_command(
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - the wire's own word
    event: NodeEvent[Any],
    payload: object = None,
    *,
    command_id: str | None = None,
    run: str | None = None,
    **told: Unpack[Told],
) -> SkipCommand:
    """The command that ends a node of the id's run with an event, any that the node declares.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: The payload does not fit the event, or another argument does not fit.
        TypeError: The event is none, as its name is none.
    """
    definition = definition_of(workflow)
    content = _event_json(workflow, event, payload)
    with _told_in_one_line(SkipCommand):
        return SkipCommand(
            schema=SkipCommand.SCHEMA,
            id=id_or_new(command_id),
            workflow=definition.name,
            key=full_key(definition.key, id),
            run=run,
            **told,
            node=event.node.node_name,
            event=event.event.name,
            payload=content,
        )


def steering_command(
    model: type[PlainT],
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - the wire's own word
    *,
    command_id: str | None = None,
    run: str | None = None,
    **told: Unpack[Told],
) -> PlainT:
    """A command that steers the id's run, and says no more than who wants it, and why.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: Another argument does not fit.
    """
    definition = definition_of(workflow)
    key = full_key(definition.key, id)
    with _told_in_one_line(model):
        return model(
            schema=model.SCHEMA,
            id=id_or_new(command_id),
            workflow=definition.name,
            key=key,
            run=run,
            **told,
        )


def migrate_command(
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - the wire's own word
    *,
    command_id: str | None = None,
    run: str | None = None,
) -> MigrateCommand:
    """The command that moves the id's live run to the version of the class.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: Another argument does not fit.
    """
    definition = definition_of(workflow)
    with _told_in_one_line(MigrateCommand):
        return MigrateCommand(
            schema=MigrateCommand.SCHEMA,
            id=id_or_new(command_id),
            workflow=definition.name,
            key=full_key(definition.key, id),
            run=run,
            to_version=definition.version,
        )


def cancel_command(
    workflow: AnyWorkflow,
    id: str,  # noqa: A002 - the wire's own word
    *,
    command_id: str | None = None,
    run: str | None = None,
    **told: Unpack[Told],
) -> CancelCommand:
    """The command that ends the id's live run.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
        CommandError: Another argument does not fit.
    """
    definition = definition_of(workflow)
    key = full_key(definition.key, id)
    with _told_in_one_line(CancelCommand):
        return CancelCommand(
            **schema_of(told), id=id_or_new(command_id), workflow=definition.name, key=key, run=run, **told
        )


def schema_of(told: Told) -> dict[str, Any]:
    """The schema of a cancel, where the first one lacks what it says."""
    least = CancelCommand.least_schema([name for name, value in told.items() if value is not None])
    return {} if least == 1 else {"schema": least}


def _event_json(workflow: AnyWorkflow, event: NodeEvent[Any], payload: object) -> JsonValue:
    if not isinstance(cast("object", event), NodeEvent):
        raise TypeError(_no_event(workflow, event))
    adapter = event.event.adapter
    if adapter is None and payload is not None:
        raise CommandError(f"{event.name} carries no payload; leave it out", reason="invalid_payload")
    return None if adapter is None else _json(adapter, payload, of=event.name)


def _no_event(workflow: AnyWorkflow, given: object) -> str:
    known = [
        f"{node}.{name}"
        for node, events in workflow.definition.events.items()
        for name, event in events.items()
        if event.external
    ]
    near = get_close_matches(str(given), known, n=1)
    meant = near or known[:1]
    hint = f"; give {workflow.__name__}.{meant[0]}" if meant else f"; {workflow.__name__} has none that can be sent"
    return f"{given!r} is no event of a node{hint}"


@contextmanager
def _told_in_one_line(model: type[Command]) -> Generator[None]:
    """Makes of pydantic's report, which is long and quotes what stood in the fields, the error of all commands."""
    try:
        yield
    except ValidationError as error:
        message = f"the {model.__name__} is wrong: {problems_of(error, model)}"
        raise CommandError(message, reason="invalid_payload") from None


def _json(adapter: TypeAdapter[Any], payload: object, *, of: str) -> JsonValue:
    try:
        model: object = adapter.validate_python(payload)
        return cast("JsonValue", adapter.dump_python(model, mode="json", by_alias=True, round_trip=True))
    except ValidationError as error:
        raise CommandError(f"{of} cannot be sent: {payload_problems(error)}", reason="invalid_payload") from None
    except PydanticSerializationError as error:
        raise CommandError(f"{of} cannot be sent: {error}", reason="invalid_payload") from error
