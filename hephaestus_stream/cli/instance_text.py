"""Instances and their histories for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hephaestus_stream.client.snapshot import InstanceSnapshot
from hephaestus_stream.wire.instance import NodeView
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
        Text.assemble(("input ", "cyan"), _short(found.input)),
    ]
    if found.tags:
        lines.append(Text.assemble(("tags ", "cyan"), ", ".join(found.tags)))
    if found.next_timer is not None:
        lines.append(Text.assemble(("next timer ", "cyan"), moment(found.next_timer)))
    if found.early_events:
        lines.append(Text.assemble(("early events ", "cyan"), ", ".join(found.early_events)))
    lines += (Text(why, "yellow") for why in (found.parked, found.halted) if why is not None)
    if found.error is not None:
        lines.append(Text(_short(found.error), "red"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("node", "status", "attempt", "outcome"):
        table.add_column(name, overflow="fold")
    for name, node in found.nodes.items():
        status = Text(node.status, STATUS_STYLES.get(node.status, ""))
        table.add_row(name, status, str(node.attempt or ""), _outcome(node))
    return Group(*lines, Text(), table)


def history_text(events: Iterable[HistoryRecord]) -> Table | Text:
    """A history, a line for each event."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("#", "at", "what", "node", "details"):
        table.add_column(name, overflow="fold", justify="right" if name == "#" else "left")
    for each in events:
        what = each.type.replace("_", " ")
        node = each.node or ""
        if each.event is not None:
            node = f"{node}.{each.event}" if node else each.event
        if each.attempt not in {None, 1}:
            what += f" (attempt {each.attempt})"
        details = ", ".join(f"{name}: {_short(value)}" for name, value in each.details.items())
        table.add_row(str(each.sequence), moment(each.at), what, node, details)
    return table if table.row_count else Text("none", "dim")


def _outcome(node: NodeView) -> Text:
    parts: list[str | tuple[str, str]] = []
    if node.event is not None:
        parts.append(node.event)
    if node.result is not None:
        parts += (" ", (_short(node.result), "dim"))
    if node.label is not None:
        parts.append(f" → {node.label}")
    if node.due_at is not None and node.status in {"waiting", "retrying"}:
        parts.append(f"until {moment(node.due_at)}" if node.status == "waiting" else f"again {moment(node.due_at)}")
    if node.error is not None:
        parts += (" " if parts else "", (_short(node.error), "red"))
    return Text.assemble(*parts)


def _short(value: JsonValue) -> str:
    match value:
        case {"type": str(kind), "message": str(message)}:
            text = f"{kind}: {message}"
        case str():
            text = value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
