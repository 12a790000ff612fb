"""`hephaestus start`, `resume`, `migrate` and `cancel`: one command to the engine, and its answer."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Final

from cyclopts import Parameter
from pydantic import JsonValue
from rich.text import Text

from hephaestus_stream.cli.bulk import cancel_all
from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.instances import ALL, WHICH, FilterOptions, named
from hephaestus_stream.cli.output import show
from hephaestus_stream.cli.payload import read_payload
from hephaestus_stream.cli.sending import (
    DEFAULTS,
    NOBODY,
    RunId,
    SendOptions,
    Told,
    accepted,
    client_of,
    made,
    reply_document,
    send,
)
from hephaestus_stream.cli.target import find_target
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.run import Run, run_of
from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.drawing.label import printable
from hephaestus_stream.errors import UsageError
from hephaestus_stream.settings import Settings
from hephaestus_stream.wire.command import CancelCommand, MigrateCommand, ResumeCommand, StartCommand
from hephaestus_stream.wire.request import schema_of

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
    options: SendOptions = DEFAULTS,
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
    command = made(
        StartCommand,
        id=options.id(),
        workflow=target.workflow,
        version=target.version_or(workflow_version),
        key=target.key,
        input=payload,
        tags=tag,
        metadata=_metadata(metadata),
        on_conflict=on_conflict,
    )
    return asyncio.run(_start(command, options.settings(), wait=wait, options=options))


def resume(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    event: str,
    /,
    *,
    payload: Annotated[str, Parameter(alias="-p", allow_leading_hyphen=True, show_default=False)] = "null",
    run: RunId = None,
    options: SendOptions = DEFAULTS,
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
    command = made(
        ResumeCommand,
        id=options.id(),
        workflow=target.workflow,
        key=target.key,
        run=run,
        node=node or None,
        event=name,
        payload=content,
    )
    send(command, f"{event} →", options)


def migrate(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    /,
    *,
    to_version: Annotated[int | None, Parameter(show_default=False)] = None,
    run: RunId = None,
    options: SendOptions = DEFAULTS,
) -> None:
    """Moves a run to another version.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
        to_version: Where the run goes: the version of the class unless given, with a stored name the current one.
    """
    target = find_target(workflow, id)
    command = made(
        MigrateCommand,
        schema=MigrateCommand.SCHEMA,
        id=options.id(),
        workflow=target.workflow,
        key=target.key,
        run=run,
        to_version=target.version_or(to_version),
    )
    send(command, "migrated", options)


def cancel(
    workflow: str | None = None,
    id: str | None = None,  # noqa: A002 - the wire's own word
    /,
    *,
    told: Told = NOBODY,
    run: RunId = None,
    of: Annotated[str | None, Parameter(name="--workflow", group=WHICH, help="The class, or the stored name.")] = None,
    which: FilterOptions = ALL,
    dry_run: Annotated[bool, Parameter(group=WHICH, show_default=False, help="Count only.")] = False,
    yes: Annotated[bool, Parameter(group=WHICH, show_default=False, alias="-y", help="Ask nobody.")] = False,
    options: SendOptions = DEFAULTS,
) -> int:
    """Cancels a run, or all that fit.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
    """
    if id is None:
        if workflow is not None:
            raise UsageError(
                f"whose? Write cancel {workflow} ID, or cancel --workflow {workflow} for all that are live"
            )
        if run is not None or options.command_id is not None:
            raise UsageError("--run and --command-id are of one run: name its workflow and its id")
        if of is None and which == ALL:
            raise UsageError("which? Write WORKFLOW and ID, or --workflow, --status, --tag … for all that fit")
        return asyncio.run(
            cancel_all(
                options.settings(),
                named(of),
                which.filtering(),
                told=told.given(),
                patience=options.patience,
                dry_run=dry_run,
                is_agreed=yes,
                output=options.output,
            )
        )
    if of is not None or which != ALL or dry_run:
        raise UsageError("an id means one run: leave it out, or the options that mean several")
    target = find_target(workflow or "", id)
    command = made(
        CancelCommand,
        **schema_of(told.given()),
        id=options.id(),
        workflow=target.workflow,
        key=target.key,
        run=run,
        **told.given(),
    )
    send(command, "cancelled", options)
    return 0


def _metadata(argument: str) -> dict[str, JsonValue]:
    metadata = read_payload(argument, option="--metadata")
    if not isinstance(metadata, dict):
        raise UsageError("--metadata is no JSON object: write it as '{\"shop\": 7}'")
    return metadata


async def _start(command: StartCommand, settings: Settings, *, wait: bool, options: SendOptions) -> int:
    async with client_of(settings) as client:
        reply = await accepted(client, command, options)
        run = run_of(command, reply)
        if not wait:
            show(_started(run), document=reply_document(reply), output=options.output)
            return 0
        completion = await client.wait(run)
    show(_ended(completion), document=_ended_document(completion), output=options.output)
    return 0 if completion.status == "completed" else ExitCode.FAILED


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
            return printable(f"{kind}: {message}")
        case _:
            return _compact(error)


def _compact(value: JsonValue) -> str:
    return printable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


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
