"""Instances and their histories for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hephaestus_stream.client.snapshot import InstanceSnapshot
from hephaestus_stream.drawing.label import printable
from hephaestus_stream.wire.instance import InstanceSummary, NodeView
from hephaestus_stream.wire.output import HistoryRecord

STATUS_STYLES: Final = {
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "running": "cyan",
    "waiting": "yellow",
    "retrying": "yellow",
    "ready": "yellow",
    "dead": "dim",
    "interrupted": "dim",
}
_MOST: Final = 200


def moment(at: datetime) -> str:
    """An instant, to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def instance_text(found: InstanceSnapshot) -> Group:
    """An instance as a table of its nodes under what it is."""
    title = Text.assemble((found.key, "bold"), " ", (found.status, STATUS_STYLES.get(found.status, "")))
    if found.paused:
        title.append(", paused", "yellow")
    if found.ended_at is not None:
        title.append(f" at {found.ended_at}")
    lines = [
        title,
        Text(f"{found.workflow} {found.version}, run {found.run}", "dim"),
        Text(f"started {moment(found.started_at)}, changed {moment(found.updated_at)}", "dim"),
        Text.assemble(("input ", "cyan"), short(found.input)),
    ]
    if found.tags:
        lines.append(Text.assemble(("tags ", "cyan"), ", ".join(found.tags)))
    if found.next_timer is not None:
        lines.append(Text.assemble(("next timer ", "cyan"), moment(found.next_timer)))
    if found.early_events:
        lines.append(Text.assemble(("early events ", "cyan"), ", ".join(found.early_events)))
    lines += (Text(printable(why), "yellow") for why in (found.parked, found.halted) if why is not None)
    if found.error is not None:
        lines.append(Text(short(found.error), "red"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("node", "status", "attempt", "outcome"):
        table.add_column(name, overflow="fold")
    for name, node in found.nodes.items():
        status = Text(node.status, STATUS_STYLES.get(node.status, ""))
        table.add_row(name, status, str(node.attempt or ""), _outcome(node))
    return Group(*lines, Text(), table)


def list_text(instances: Sequence[InstanceSummary], *, more: bool) -> Table | Group | Text:
    """A line for each instance, and whether there are more."""
    if not instances:
        return Text("none", "dim")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("key", "workflow", "status", "at", "started"):
        table.add_column(name, overflow="fold")
    for each in instances:
        place = ", ".join(each.waiting_at) or each.ended_at or ""
        status = Text(each.status, STATUS_STYLES.get(each.status, ""))
        if each.paused:
            status.append(", paused", "yellow")
        if each.halted is not None:
            status.append(", halted", "red")
        table.add_row(each.key, f"{each.workflow} {each.version}", status, place, moment(each.started_at))
    if not more:
        return table
    return Group(table, Text("there are more: --limit, --all", "dim"))


def event_line(event: HistoryRecord) -> Text:
    """An event of a history, alone."""
    what, node, details = _parts(event)
    line = Text.assemble((f"{event.sequence:>4} {moment(event.at)} ", "dim"), (what, "cyan"), f" {node}")
    return line.append(f"  {details}", "dim") if details else line


def history_text(events: Iterable[HistoryRecord]) -> Table | Text:
    """A history, a line for each event."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("#", "at", "what", "node", "details"):
        table.add_column(name, overflow="fold", justify="right" if name == "#" else "left")
    for each in events:
        table.add_row(str(each.sequence), moment(each.at), *_parts(each))
    return table if table.row_count else Text("none", "dim")


def _parts(event: HistoryRecord) -> tuple[str, str, str]:
    what = event.type.replace("_", " ")
    node = event.node or ""
    if event.event is not None:
        node = f"{node}.{event.event}" if node else event.event
    if event.attempt not in {None, 1}:
        what += f" (attempt {event.attempt})"
    return what, node, ", ".join(f"{name}: {short(value)}" for name, value in event.details.items())


def _outcome(node: NodeView) -> Text:
    parts: list[str | tuple[str, str]] = []
    if node.event is not None:
        parts.append(node.event)
    if node.result is not None:
        parts += (" ", (short(node.result), "dim"))
    if node.label is not None:
        parts.append(f" → {node.label}")
    if node.due_at is not None and node.status in {"waiting", "retrying"}:
        parts.append(f"until {moment(node.due_at)}" if node.status == "waiting" else f"again {moment(node.due_at)}")
    if node.error is not None:
        parts += (" " if parts else "", (short(node.error), "red"))
    return Text.assemble(*parts)


def short(value: JsonValue) -> str:
    """A value in one line."""
    match value:
        case {"type": str(kind), "message": str(message)}:
            text = f"{kind}: {message}"
        case str():
            text = value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return printable(text if len(text) <= _MOST else f"{text[:_MOST]}…")
