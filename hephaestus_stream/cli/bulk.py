"""`hephaestus cancel` without an id: all live instances that fit a filter."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.prompt import Confirm
from rich.text import Text

from hephaestus_stream.cli.failure import ExitCode, tell
from hephaestus_stream.cli.output import OutputFormat, counted, show
from hephaestus_stream.cli.sending import client_of, made
from hephaestus_stream.client import AsyncClient
from hephaestus_stream.client.questions import Filtering
from hephaestus_stream.core.state import ENDED, Status
from hephaestus_stream.errors import NoAnswerError, UsageError
from hephaestus_stream.settings import Settings
from hephaestus_stream.wire.command import CancelCommand, new_id
from hephaestus_stream.wire.instance import InstanceCounts, InstanceSummary
from hephaestus_stream.wire.request import AnyWorkflow, Told, schema_of

_LIVE: Final[tuple[Status, ...]] = ("pending", "running", "waiting")
_MOST_UNDER_WAY: Final = 200

Fate: TypeAlias = Literal["cancelled", "ended_meanwhile", "refused", "unanswered"]
"""What came of the cancel of one instance."""

_FATES: Final[tuple[Fate, ...]] = ("cancelled", "ended_meanwhile", "refused", "unanswered")


async def cancel_all(
    settings: Settings,
    workflow: AnyWorkflow | str | None,
    filtering: Filtering,
    *,
    told: Told,
    patience: timedelta,
    dry_run: bool,
    is_agreed: bool,
    output: OutputFormat,
) -> int:
    """Counts the live instances that fit, asks, and cancels them; returns the exit code.

    Args:
        settings: Where and how.
        workflow: The class or its stored name; all unless given.
        filtering: Which instances.
        told: Who, and why, for their histories.
        patience: How long the answer to each command is waited for.
        dry_run: Whether to count only.
        is_agreed: Whether to ask nobody.
        output: For people, or for programs.

    Raises:
        UsageError: The filter means runs that have ended, or nobody is there to be asked.
    """
    which = _live(filtering)
    # Who, or why, that will not do is told before anybody is asked.
    _command(told, workflow="any", key="any::any", run=None)
    async with client_of(settings) as client:
        counts = await client.count(workflow, by=("workflow", "status"), **which)
        if dry_run or not counts.total:
            show(_found(counts), document=_document(counts, Counter(), dry_run=dry_run), output=output)
            return 0
        if not is_agreed and not _is_agreed(counts):
            tell("nothing was cancelled", style="yellow")
            return ExitCode.FAILED
        fates: Counter[Fate] = Counter()
        try:
            await _cancel(client, workflow, which, fates, told=told, patience=patience, total=counts.total)
        except ExceptionGroup as group:
            raise _first(group) from None
        finally:
            show(_sum(fates), document=_document(counts, fates), output=output)
    if fates["unanswered"]:
        return ExitCode.NO_ANSWER
    return ExitCode.REFUSED if fates["refused"] else 0


def _live(filtering: Filtering) -> Filtering:
    """The filter, for those alone that are live now: none that starts while they are cancelled."""
    status = filtering.get("status") or _LIVE
    wanted = (status,) if isinstance(status, str) else tuple(status)
    ended = [each for each in wanted if each in ENDED]
    if ended:
        raise UsageError(f"--status {ended[0]}: only live runs can be cancelled; they are {', '.join(_LIVE)}")
    return {"started_to": datetime.now(UTC), **filtering, "status": wanted}


def _is_agreed(counts: InstanceCounts) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"{_told(counts)}? Nobody is there to answer: add --yes, or look first with --dry-run")
    return Confirm.ask(Text(f"{_told(counts)}?"), console=Console(stderr=True), default=False)


async def _cancel(
    client: AsyncClient,
    workflow: AnyWorkflow | str | None,
    which: Filtering,
    fates: Counter[Fate],
    *,
    told: Told,
    patience: timedelta,
    total: int,
) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    room = asyncio.Semaphore(_MOST_UNDER_WAY)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("cancelled", total=total)

        async def one(instance: InstanceSummary) -> None:
            fate: Fate = "unanswered"  # also where Ctrl-C comes first: the command is under way
            try:
                fate = await _fate(client, instance, told=told, patience=patience)
            finally:
                fates[fate] += 1
                room.release()
                progress.advance(task)

        async with asyncio.TaskGroup() as group:
            async for instance in client.list(workflow, **which):
                await room.acquire()
                group.create_task(one(instance))


async def _fate(client: AsyncClient, instance: InstanceSummary, *, told: Told, patience: timedelta) -> Fate:
    command = _command(told, workflow=instance.workflow, key=instance.key, run=instance.run)
    try:
        reply = await client.send(command, timeout=patience)
    except NoAnswerError:
        return "unanswered"
    if reply.accepted:
        return "cancelled"
    if reply.reason in {"ended", "not_found"}:
        return "ended_meanwhile"
    tell(f"{instance.key} (run {instance.run}): {reply.message}", style="yellow")
    return "refused"


def _command(told: Told, *, workflow: str, key: str, run: str | None) -> CancelCommand:
    return made(CancelCommand, **schema_of(told), id=new_id(), workflow=workflow, key=key, run=run, **told)


def _found(counts: InstanceCounts) -> str:
    return _told(counts).replace("cancel", "would cancel", 1) if counts.total else "no live instance fits"


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """One of the errors that commands under way met: they met the same."""
    first = group.exceptions[0]
    return _first(cast("ExceptionGroup[Exception]", first)) if isinstance(first, ExceptionGroup) else first


def _told(counts: InstanceCounts) -> str:
    parts = ", ".join(f"{each.count:,} {each.workflow} {each.status}" for each in counts.counts)
    return f"cancel {counted(counts.total, 'instance')} ({parts})"


def _document(counts: InstanceCounts, fates: Counter[Fate], *, dry_run: bool = False) -> dict[str, object]:
    found: dict[str, object] = {"dry_run": dry_run, **counts.model_dump(mode="json")}
    return found if dry_run else found | {fate: fates[fate] for fate in _FATES}


def _sum(fates: Counter[Fate]) -> Text:
    text = Text.assemble(("✓ ", "green"), (f"{fates['cancelled']:,} cancelled", "bold"))
    for fate in _FATES[1:]:
        if fates[fate]:
            text.append(f", {fates[fate]:,} {fate.replace('_', ' ')}", "yellow")
    return text
