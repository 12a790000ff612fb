"""`hephaestus replay`: a real event log, published to the engine."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from hephaestus_stream.cli.modules import load_modules
from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.client import AsyncClient
from hephaestus_stream.errors import EventLogError, UsageError
from hephaestus_stream.eventlog import EventLog
from hephaestus_stream.eventlog.answers import MAX_UNANSWERED
from hephaestus_stream.eventlog.replay import Replayed, check_log
from hephaestus_stream.eventlog.replay import replay as replay_log
from hephaestus_stream.settings import Settings

AnyLog: TypeAlias = EventLog[Any, Any]


def replay(
    module: str,
    file: Path,
    /,
    *,
    max_unanswered: int = MAX_UNANSWERED,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Replays an event log.

    Args:
        module: A module with an `EventLog`, as `workflows.permit`; with several, `module:name`.
        file: CSV, gzipped or not.
        max_unanswered: How many commands may be without an answer at a time.
    """
    if max_unanswered < 1:
        raise UsageError(f"--max-unanswered {max_unanswered} lets nothing be sent: give 1 or more")
    log, settings = find_log(module), kafka.settings()
    if settings.via == "http":
        raise UsageError("replay reads topics as well, and goes by Kafka alone: unset `via` (HEPHAESTUS_VIA)")
    replayed = asyncio.run(_replay(log, file, settings, max_unanswered=max_unanswered))
    show(report(replayed), document=to_jsonable_python(replayed), output=output)


def find_log(reference: str) -> AnyLog:
    """The event log of a module or package, or the one of that name in it.

    Raises:
        WorkflowNotFoundError: The module cannot be found or imported.
        EventLogError: It has no event log, or several and none was named.
    """
    module, _, name = reference.partition(":")
    found = dict(_logs(module))
    if name:
        found = {path: log for path, log in found.items() if path.partition(":")[2] == name}
    logs = list({id(log): log for log in found.values()}.values())
    if len(logs) == 1:
        return logs[0]
    if logs:
        raise EventLogError(f"{module} has several event logs; write one of {', '.join(found)}")
    which = f"event log '{name}'" if name else "event log"
    raise EventLogError(f"{module} has no {which}: declare one as workflows/permit.py does, with EventLog(...)")


def _logs(module: str) -> Iterator[tuple[str, AnyLog]]:
    for loaded in load_modules(module):
        for name, value in vars(loaded).items():
            if isinstance(value, EventLog):
                yield f"{loaded.__name__}:{name}", value


async def _replay(log: AnyLog, file: Path, settings: Settings, *, max_unanswered: int) -> Replayed:
    # Read once before anything is sent: a file that is damaged at its end must not be half replayed.
    total = check_log(log, file)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("answered", total=total)
        async with AsyncClient(settings.connection, keys=settings.keys()) as client:
            return await replay_log(
                log,
                file,
                engine=client,
                connection=settings.connection,
                max_unanswered=max_unanswered,
                on_answer=lambda: progress.advance(task),
            )


def report(replayed: Replayed) -> Text:
    """What came of a replay, for people."""
    text = Text()
    ended = {"completed": replayed.completed, "failed": replayed.failed, "cancelled": replayed.cancelled}
    parts = [f"{count:,} {word}" for word, count in ended.items() if count or word == "completed"]
    text.append(f"{replayed.started:,} cases started", "bold")
    text.append(f": {', '.join(parts)}, {replayed.waiting:,} waiting\n")
    text.append(f"{replayed.taken:,} events taken", "bold").append(f", {replayed.kept:,} kept early\n")
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in replayed.refused.items())
    text.append(f"{sum(replayed.refused.values()):,} refused", "bold").append(f": {reasons}\n" if reasons else "\n")
    text.append(f"{replayed.dead_letters:,} dead letters\n", "red" if replayed.dead_letters else "")
    if replayed.duplicates:
        text.append(f"{replayed.duplicates:,} had been sent before and had no further effect\n", "yellow")
    seconds = replayed.duration.total_seconds()
    speed = f", {replayed.commands / seconds:,.0f} a second" if seconds else ""
    return text.append(f"{replayed.commands:,} commands answered in {seconds:.1f} s{speed}")
