"""`hephaestus start`, `resume`, `migrate` and `cancel`: one command to the engine, and its answer."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from cyclopts import Parameter
from cyclopts.validators import Number
from pydantic import JsonValue, ValidationError
from rich.text import Text

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.output import Output, OutputFormat, show
from hephaestus_stream.cli.payload import read_payload
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.cli.target import find_target
from hephaestus_stream.client import AsyncClient
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.run import Run, require_accepted, run_of
from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.errors import NoAnswerError, UsageError
from hephaestus_stream.settings import Settings
from hephaestus_stream.wire.command import CancelCommand, Command, MigrateCommand, ResumeCommand, StartCommand, new_id
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.problem import problems_of

_LONGEST_TIMEOUT: Final = 86_400.0

CommandT = TypeVar("CommandT", StartCommand, ResumeCommand, MigrateCommand, CancelCommand)

Id = Annotated[str | None, Parameter(name="--command-id", help="Makes the command repeatable: once is once.")]
Timeout = Annotated[
    float,
    Parameter(
        validator=Number(gt=0, lte=_LONGEST_TIMEOUT), help="For how many seconds to wait for the answer of a worker."
    ),
]
RunId = Annotated[str | None, Parameter(name="--run", help="Which run of the key, where several live.")]

_COLORS: Final = {"completed": "green", "failed": "red", "cancelled": "magenta"}


def start(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    /,
    *,
    input: Annotated[str, Parameter(alias="-i", allow_leading_hyphen=True)],  # noqa: A002 - the wire's own word
    wait: Annotated[bool, Parameter(alias="-w")] = False,
    tag: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    metadata: Annotated[str, Parameter(allow_leading_hyphen=True, show_default=False)] = "{}",
    on_conflict: OnConflict = "reject",
    workflow_version: Annotated[int | None, Parameter(show_default=False)] = None,
    command_id: Id = None,
    timeout: Timeout = 30.0,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> int:
    """Starts a run.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value, as `abc123`; with a stored name the full key, as `orderid::abc123`.
        input: The start payload: JSON, `@FILE`, or `-` for standard input.
        wait: Wait until the run has ended; code 1 unless it completed.
        tag: A word to find the run by.
        metadata: A JSON object, laid over that of the class; or `@FILE`.
        on_conflict: What to do if the key has a live run.
        workflow_version: That of the class unless given, with a stored name the workers' current one.
    """
    target = find_target(workflow, id)
    payload = read_payload(input, option="--input")
    target.check_input(payload)
    command = _made(
        StartCommand,
        id=command_id or new_id(),
        workflow=target.workflow,
        version=target.version_or(workflow_version),
        key=target.key,
        input=payload,
        tags=tag,
        metadata=_metadata(metadata),
        on_conflict=on_conflict,
    )
    return asyncio.run(_start(command, _settings(kafka), wait=wait, patience=timedelta(seconds=timeout), output=output))


def resume(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    event: str,
    /,
    *,
    payload: Annotated[str, Parameter(alias="-p", allow_leading_hyphen=True, show_default=False)] = "null",
    run: RunId = None,
    command_id: Id = None,
    timeout: Timeout = 30.0,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Sends an event.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
        event: `NODE.EVENT`, as `review.received`; the node may be left out where only one has the event.
        payload: What the event carries: JSON, `@FILE`, or `-` for standard input.
    """
    target = find_target(workflow, id)
    node, _, name = event.rpartition(".")
    content = read_payload(payload, option="--payload")
    target.check_event(node or None, name, content)
    command = _made(
        ResumeCommand,
        id=command_id or new_id(),
        workflow=target.workflow,
        key=target.key,
        run=run,
        node=node or None,
        event=name,
        payload=content,
    )
    asyncio.run(_tell(command, _settings(kafka), f"{event} →", patience=timedelta(seconds=timeout), output=output))


def migrate(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    /,
    *,
    to_version: Annotated[int | None, Parameter(show_default=False)] = None,
    run: RunId = None,
    command_id: Id = None,
    timeout: Timeout = 30.0,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Moves a run to another version.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
        to_version: Where the run goes: the version of the class unless given, with a stored name the current one.
    """
    target = find_target(workflow, id)
    command = _made(
        MigrateCommand,
        schema=2,
        id=command_id or new_id(),
        workflow=target.workflow,
        key=target.key,
        run=run,
        to_version=target.version_or(to_version),
    )
    asyncio.run(_tell(command, _settings(kafka), "migrated", patience=timedelta(seconds=timeout), output=output))


def cancel(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    /,
    *,
    reason: str | None = None,
    run: RunId = None,
    command_id: Id = None,
    timeout: Timeout = 30.0,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Cancels a run.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
        reason: Why; it stands in the history.
    """
    target = find_target(workflow, id)
    command = _made(
        CancelCommand, id=command_id or new_id(), workflow=target.workflow, key=target.key, run=run, reason=reason
    )
    asyncio.run(_tell(command, _settings(kafka), "cancelled", patience=timedelta(seconds=timeout), output=output))


def _made(model: type[CommandT], **fields: Any) -> CommandT:  # noqa: ANN401 - checked by the model
    try:
        return model(**fields)
    except ValidationError as error:
        raise UsageError(f"this is no command: {problems_of(error, model)}") from None


def _metadata(argument: str) -> dict[str, JsonValue]:
    metadata = read_payload(argument, option="--metadata")
    if not isinstance(metadata, dict):
        raise UsageError("--metadata is no JSON object: write it as '{\"shop\": 7}'")
    return metadata


def _settings(kafka: KafkaOptions) -> Settings:
    settings = kafka.settings()
    require_broker(settings)
    return settings


async def _start(
    command: StartCommand, settings: Settings, *, wait: bool, patience: timedelta, output: OutputFormat
) -> int:
    async with AsyncClient(settings.connection, keys=settings.keys()) as client:
        reply = await _accepted(client, command, patience=patience, output=output)
        run = run_of(command, reply)
        if not wait:
            show(_started(run), document=_document(reply), output=output)
            return 0
        completion = await client.wait(run)
    show(_ended(completion), document=_ended_document(completion), output=output)
    return 0 if completion.status == "completed" else ExitCode.FAILED


async def _tell(command: Command, settings: Settings, what: str, *, patience: timedelta, output: OutputFormat) -> None:
    async with AsyncClient(settings.connection, keys=settings.keys()) as client:
        reply = await _accepted(client, command, patience=patience, output=output)
    text = Text.assemble(("✓ ", "green"), what, " ", (command.key, "bold"))
    if reply.effect == "kept":
        text.append(f"; {reply.message or 'it came early and is kept until its node waits'}", "yellow")
    elif reply.effect == "existing":
        text.append("; nothing had to be done", "yellow")
    elif reply.message is not None:
        text.append(f" {reply.message}")
    show(text, document=_document(reply), output=output)


async def _accepted(client: AsyncClient, command: Command, *, patience: timedelta, output: OutputFormat) -> Reply:
    """The answer, if the command was accepted; a program gets a refusal as a document too."""
    try:
        reply = await client.send(command, timeout=patience)
    except NoAnswerError as error:
        way_out = f"the same again with --command-id {error.command_id} is safe"
        raise NoAnswerError(error.problem, command_id=error.command_id, way_out=way_out) from None
    if not reply.accepted and output == "json":
        show("", document=_document(reply), output=output)
    require_accepted(reply)
    return reply


def _started(run: Run) -> Text:
    found = "is running already:" if run.effect == "existing" else "started, run"
    return Text.assemble(("✓ ", "green"), (run.key, "bold"), f" {found} ", (run.run, "dim"))


def _ended(completion: Completion) -> Text:
    text = Text.assemble((completion.key, "bold"), " ", (completion.status, _COLORS[completion.status]))
    if completion.ended_at is not None:
        text.append(f" at {completion.ended_at}")
    text.append(f" after {(completion.at - completion.started_at).total_seconds():.3f} s", "dim")
    if completion.error is not None:
        text.append(f"\n  {_error_text(completion.error)}", "red")
    for node, result in completion.results.items():
        if result is not None:  # most events carry nothing
            text.append(f"\n  {node}: ", "cyan").append(_compact(result))
    return text


def _error_text(error: JsonValue) -> str:
    match error:
        case {"type": str(kind), "message": str(message)}:
            return f"{kind}: {message}"
        case _:
            return _compact(error)


def _compact(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _document(reply: Reply) -> object:
    return reply.model_dump(mode="json", by_alias=True)


def _ended_document(completion: Completion) -> dict[str, object]:
    return {
        "workflow": completion.workflow,
        "version": completion.version,
        "key": completion.key,
        "run": completion.run,
        "status": completion.status,
        "ended_at": completion.ended_at,
        "error": completion.error,
        "results": dict(completion.results),
        "started_at": completion.started_at.isoformat(),
        "at": completion.at.isoformat(),
    }
