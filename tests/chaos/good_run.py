"""A run that went well, as the checker would find it; the tests damage it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tests.chaos.checker.documents import Answer, Command, Completion, Event, Execution, Seen, StepResult, Told
from tests.chaos.checker.evidence import POSITION, Evidence
from tests.chaos.checker.ledger import Sent
from tests.chaos.checker.topics import Found
from tests.chaos.harness import graphs

BEGAN = datetime(2026, 11, 26, tzinfo=UTC)
DUE = (BEGAN + timedelta(seconds=5)).isoformat()
GRAPHS = graphs()
Line = tuple[Any, ...]

FAN_IN: Sequence[Line] = (
    ("started",),
    ("step_started", "begin", None, 1),
    ("step_completed", "begin", "done", 1),
    ("step_started", "carry", None, 1),
    ("step_started", "linger", None, 1),
    ("step_started", "pause", None, 1),
    ("suspended", "pause", None, 1),
    ("timer_set", "pause", None, 1, {"timer": "wait", "due_at": DUE}),
    ("event_kept", "review", "received", None, {"command": "c-1"}),
    ("step_completed", "carry", "done", 1),
    ("step_failed", "linger", None, 1, {"error": "ConnectionError", "message": "no line"}),
    ("retry_scheduled", "linger", None, 2, {"due_at": DUE}),
    ("timer_set", "linger", None, 1, {"timer": "retry", "due_at": DUE}),
    ("timer_fired", "pause", None, 1, {"timer": "wait"}),
    ("step_completed", "pause", "elapsed", 1),
    ("timer_fired", "linger", None, 1, {"timer": "retry"}),
    ("step_started", "linger", None, 2),
    ("step_completed", "linger", "done", 2),
    ("step_started", "gather", None, 1),
    ("step_completed", "gather", "done", 1),
    ("step_started", "review", None, 1),
    ("suspended", "review", None, 1),
    ("resumed", "review", "received", 1, {"command": "c-1", "early": True}),
    ("step_completed", "review", "received", 1),
    ("node_dead", "late"),
    ("completed", "done"),
)


KEY, RUN, EVENT, LATE = "relay::1", "r-1", "c-1", "c-2"
_AT_REST = {"status": "completed", "attempt": 1}


def events(lines: Sequence[Line]) -> list[Event]:
    """The events of a history, a second apart."""
    return [_event(number, line) for number, line in enumerate(lines, start=1)]


def _event(number: int, line: Line) -> Event:
    node, event, attempt, details = [*line[1:], None, None, None, None][:4]
    at = BEGAN + timedelta(seconds=number)
    return Event("Relay", 1, KEY, RUN, number, at, line[0], node, event, attempt, details or {})


def good_evidence() -> Evidence:
    """A start, an early event, and a cancel that came too late and asked for no answer."""
    history = events(FAN_IN)
    results = [_result(event) for event in history if event.type == "step_completed"]
    return Evidence(
        read_at=BEGAN + timedelta(hours=1),
        graphs=GRAPHS,
        histories={RUN: [Told(event, 0, 10 + event.sequence) for event in history]},
        commands=[
            Seen(Command("start", RUN, "Relay", KEY), 0, 0, asks=True),
            Seen(Command("resume", EVENT, "Relay", KEY, node="review", event="received"), 0, 1, asks=True),
            Seen(Command("cancel", LATE, "Relay", KEY), 0, 2, asks=False),
            Seen(Command("cancel", LATE, "Relay", KEY), 0, 3, asks=True),
        ],
        undecodable=0,
        results=results,
        completions=[
            Completion(KEY, RUN, len(history), "completed", "done", {each.node: each.result for each in results})
        ],
        answers={
            RUN: [Answer(RUN, KEY, accepted=True, effect="applied", reason=None, run=RUN, partition=0, position=0)],
            EVENT: [Answer(EVENT, KEY, accepted=True, effect="kept", reason=None, run=RUN, partition=0, position=1)],
            LATE: [
                Answer(
                    LATE,
                    KEY,
                    accepted=False,
                    effect=None,
                    reason="ended",
                    run=None,
                    partition=0,
                    position=2,
                    duplicate=True,
                )
            ],
        },
        letters=[Found(0, 0, b"", b"", {"partition": b"0", "offset": b"2", "reason": b"ended"})],
        changelog=_changelog(history),
        command_ends={0: 4},
        changelog_ends={0: 8},
        executions=[
            Execution(f"{KEY}/{RUN}/{each.node}", each.attempt, 1, 0.0, each.event, each.result)
            for each in results
            if each.node in {"begin", "carry", "linger", "gather"}
        ],
    )


def good_ledger() -> list[Sent]:
    """What the sender of these commands remembers."""
    answer = {"accepted": True, "effect": "applied", "reason": None, "run": RUN}
    return [Sent(KEY, RUN, "start", confirmed=True, answer=answer, endings=("completed done",))]


def _result(event: Event) -> StepResult:
    result = {"reference": f"{event.node}-{event.attempt}"}
    return StepResult(KEY, RUN, event.sequence, event.node or "", event.event or "", event.attempt or 0, result)


def _changelog(history: list[Event]) -> list[Found]:
    nodes: dict[str, Any] = dict.fromkeys(("begin", "carry", "pause", "gather", "review"), _AT_REST)
    nodes |= {
        "linger": {"status": "completed", "attempt": 2},
        "late": {"status": "dead"},
        "done": {"status": "completed"},
    }
    state = {
        "key": KEY,
        "run": RUN,
        "workflow": "Relay",
        "version": 1,
        "status": "completed",
        "started_at": BEGAN,
        "updated_at": BEGAN,
        "finished_at": BEGAN,
        "sequence": len(history),
        "nodes": nodes,
    }
    place = f"{KEY}\0".encode()
    records = {
        b"i" + place + RUN.encode(): _packed(state),
        b"h" + place + RUN.encode() + b"\0" + (1).to_bytes(8, "big"): msgspec.json.encode(history),
        b"k" + KEY.encode(): _packed({"runs": [{"run": RUN, "ended": "completed"}]}),
        b"c" + place + RUN.encode(): _packed({"effect": "applied", "reason": None, "run": RUN, "position": 0}),
        b"c" + place + EVENT.encode(): _packed({"effect": "kept", "reason": None, "run": RUN, "position": 1}),
        b"c" + place + LATE.encode(): _packed({"effect": None, "reason": "ended", "run": None, "position": 2}),
        POSITION: json.dumps({"commands_offset": 4, "closed_cleanly": True}).encode(),
    }
    return [Found(0, offset, key, value, {}) for offset, (key, value) in enumerate(records.items())]


def _packed(document: dict[str, Any]) -> bytes:
    return struct.pack(">BBqq", 2, 0, 0, 0) + msgspec.msgpack.encode(document)
