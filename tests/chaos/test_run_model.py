"""The checker's model of a run, without any Kafka: a history that went well, and what each damage to it is found as."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.checker.documents import Event
from tests.chaos.checker.run_model import RunModel
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


def played(lines: Sequence[Line]) -> RunModel:
    model = RunModel(GRAPHS["Relay", 1])
    for number, line in enumerate(lines, start=1):
        node, event, attempt, details = [*line[1:], None, None, None, None][:4]
        at = BEGAN + timedelta(seconds=number)
        model.take(Event("Relay", 1, "relay::1", "r-1", number, at, line[0], node, event, attempt, details or {}))
    model.finish()
    return model


def without(*places: int) -> list[Line]:
    return [line for place, line in enumerate(FAN_IN) if place not in places]


def swapped(one: int, other: int) -> list[Line]:
    lines = list(FAN_IN)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def test_a_history_that_went_well_is_legal() -> None:
    model = played(FAN_IN)

    assert model.wrong == []
    assert (model.status, model.ended_at, model.derived_status) == ("completed", "done", "completed")
    assert [len(timer.fired_at) for timer in model.timers] == [1, 1]


def test_a_history_in_the_making_is_legal_and_says_what_is_awaited() -> None:
    model = played(FAN_IN[:13])

    assert model.wrong == []
    assert model.derived_status == "running"
    assert {timer.node for timer in model.pending_timers} == {"pause", "linger"}
    assert [kept.command for kept in model.kept] == ["c-1"]


@pytest.mark.parametrize("place", range(1, len(FAN_IN)))
def test_no_event_can_be_missing(place: int) -> None:
    if FAN_IN[place][0] in {"timer_set", "completed"}:
        pytest.skip("a wait may have no timer, and a run may be live")

    assert played(without(place)).wrong


@pytest.mark.parametrize("place", range(1, len(FAN_IN)))
def test_no_event_can_come_twice(place: int) -> None:
    if FAN_IN[place][0] == "event_kept":
        pytest.skip("the same event may be sent by two commands")

    assert played([*FAN_IN[:place], FAN_IN[place], *FAN_IN[place:]]).wrong


@pytest.mark.parametrize(("one", "other"), [(2, 3), (14, 18), (17, 18), (21, 22), (24, 25)])
def test_what_follows_cannot_come_first(one: int, other: int) -> None:
    assert played(swapped(one, other)).wrong


def test_a_join_cannot_start_at_its_first_arrow() -> None:
    early = [*FAN_IN[:10], ("step_started", "gather", None, 1)]

    assert any("gather" in wrong and "open" in wrong for wrong in played(early).wrong)


def test_a_run_cannot_end_twice() -> None:
    assert played([*FAN_IN, ("cancelled", None, None, None, {"command": "c-2"})]).wrong
