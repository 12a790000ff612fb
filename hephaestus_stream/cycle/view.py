"""One run as its owner tells of it: its state, and its history."""

from __future__ import annotations

from typing import Final, cast

import msgspec
from pydantic import JsonValue

from hephaestus_stream.core.admission import KeyRecord, Run
from hephaestus_stream.core.state import Error, NodeState, State
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.index import BY_NAME, HISTORY, INSTANCES, KEYS, NUL, TIME
from hephaestus_stream.cycle.record import decode_key, decode_state
from hephaestus_stream.errors import RunNotFoundError
from hephaestus_stream.wire.instance import HistoryPage, InstanceView, NodeView

_CHAPTERS: Final = 20
"""Records of a history that are read at once; each has the events of one cycle."""


def find(committed: Committed, key: str, *, workflow: str | None, run: str | None) -> State:
    """The run that is named, else the live one that started last, else the one that ended last.

    Raises:
        RunNotFoundError: There is none.
    """
    name = run if run is not None else _latest(committed, key, workflow=workflow)
    value = None if name is None else committed.get(INSTANCES + _place(key, name))
    state = None if value is None else decode_state(value)
    if state is None or workflow not in {None, state.workflow}:
        what = "no run" if run is None else f"no run '{run}'"
        of = "" if workflow is None else f" of {workflow}"
        raise RunNotFoundError(f"{key} has {what}{of}; a run is kept for its retention after its end")
    return state


def view(state: State, *, shard: ShardProfile, position: int) -> InstanceView:
    """A run with all that is kept of it but its history; payloads are as they are kept."""
    due = [node.due_at for node in state.nodes.values() if node.due_at is not None and node.status in _DUE]
    return InstanceView(
        workflow=state.workflow,
        version=state.version,
        key=state.key,
        run=state.run,
        status=state.status,
        started_at=state.started_at,
        updated_at=state.updated_at,
        tags=state.tags,
        waiting_at=tuple(sorted(name for name, node in state.nodes.items() if node.status == "waiting"))
        if state.is_live
        else (),
        ended_at=state.ended_at,
        finished_at=state.finished_at,
        paused=state.paused,
        halted=state.halted,
        input=_value(state.input),
        metadata=cast("dict[str, JsonValue]", dict(state.metadata)),
        nodes={name: _node(node, state) for name, node in state.nodes.items()},
        next_timer=min(due) if due and state.is_live and not state.paused else None,
        error=_error(state.error),
        early_events=tuple(f"{early.node}.{early.reported.event}" for early in state.early),
        parked=shard.why_parked(state) if state.is_live else None,
        sequence=state.sequence,
        partition=shard.partition,
        position=position,
    )


def history(committed: Committed, state: State, *, after: int, limit: int) -> HistoryPage:
    """The events of a run with a sequence above `after`, in the form of the records of the topic."""
    prefix = HISTORY + _place(state.key, state.run) + NUL
    # Events of one chapter may lie on both sides: the last one that begins in time is the first to be read.
    before = committed.scan(prefix, end=prefix + TIME.pack(after + 2), limit=1, reverse=True)
    start = before[0][0] if before else prefix
    events: list[dict[str, JsonValue]] = []
    while len(events) <= limit and (chapters := committed.scan(prefix, start=start, limit=_CHAPTERS)):
        for _, chapter in chapters:
            told = cast("list[dict[str, JsonValue]]", msgspec.json.decode(chapter))
            events += (event for event in told if cast("int", event["sequence"]) > after)
        start = chapters[-1][0] + NUL
    page = tuple(events[:limit])
    return HistoryPage(
        workflow=state.workflow,
        key=state.key,
        run=state.run,
        events=page,
        after=cast("int", page[-1]["sequence"]) if len(events) > limit else None,
        is_live=state.is_live,
    )


_DUE: Final = frozenset(("waiting", "retrying"))


def _latest(committed: Committed, key: str, *, workflow: str | None) -> str | None:
    value = committed.get(KEYS + key.encode())
    record = KeyRecord() if value is None else decode_key(value)
    live = record.live(workflow)
    if not live:
        # The one that a command means which may be for an ended run, as a retry.
        return next((run.run for run in reversed(record.runs) if workflow in {None, run.workflow}), None)

    def started(run: Run) -> bytes:
        return committed.get(BY_NAME + _place(key, run.run)) or b""

    return max(live, key=started).run


def _place(key: str, run: str) -> bytes:
    return key.encode() + NUL + run.encode()


def _node(node: NodeState, state: State) -> NodeView:
    reported = node.reported
    return NodeView(
        status=node.status,
        attempt=node.attempt,
        started_at=node.started_at,
        settled_at=node.settled_at if node.was is None else state.finished_at,
        event=None if reported is None else reported.event,
        result=None if reported is None else _value(reported.payload),
        metadata={} if reported is None else cast("dict[str, JsonValue]", _value(reported.metadata) or {}),
        label=node.label,
        due_at=node.due_at,
        error=_error(node.error),
    )


def _error(error: Error | None) -> JsonValue:
    return None if error is None else {"type": error.type, "message": error.message}


def _value(encoded: bytes | None) -> JsonValue:
    return None if encoded is None else cast("JsonValue", msgspec.json.decode(encoded))
