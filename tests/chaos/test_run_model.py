"""The checker's model of a run, without any Kafka: a history that went well, and what each damage to it is found as."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from tests.chaos.checker.run_model import RunModel
from tests.chaos.good_run import DUE, FAN_IN, GRAPHS, Line, events


def played(lines: Sequence[Line], *, workflow: str = "Relay") -> RunModel:
    model = RunModel(GRAPHS[workflow, 1])
    for event in events(lines):
        model.take(event)
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


def places(*, besides: Collection[str]) -> list[int]:
    """All places of the history but the first, and those of some types."""
    return [place for place, line in enumerate(FAN_IN) if place and line[0] not in besides]


# A wait may have no timer, and a run may be live.
@pytest.mark.parametrize("place", places(besides={"timer_set", "completed"}))
def test_no_event_can_be_missing(place: int) -> None:
    assert played(without(place)).wrong


# The same event may be sent by two commands.
@pytest.mark.parametrize("place", places(besides={"event_kept"}))
def test_no_event_can_come_twice(place: int) -> None:
    assert played([*FAN_IN[:place], FAN_IN[place], *FAN_IN[place:]]).wrong


@pytest.mark.parametrize(("one", "other"), [(2, 3), (14, 18), (17, 18), (21, 22), (24, 25)])
def test_what_follows_cannot_come_first(one: int, other: int) -> None:
    assert played(swapped(one, other)).wrong


def test_a_join_cannot_start_at_its_first_arrow() -> None:
    early = [*FAN_IN[:10], ("step_started", "gather", None, 1)]

    assert any("gather" in wrong and "open" in wrong for wrong in played(early).wrong)


def test_a_run_cannot_end_twice() -> None:
    assert played([*FAN_IN, ("cancelled", None, None, None, {"command": "c-2"})]).wrong


ROUTE_FAILED: Sequence[Line] = (
    ("started",),
    ("step_started", "choose", None, 1),
    ("step_completed", "choose", "done", 1),
    ("step_failed", "choose", None, 1, {"error": "UnknownLabel", "message": "it chose 'up'"}),
    ("failed", "choose"),
)


def test_a_route_that_fails_ends_its_run() -> None:
    model = played(ROUTE_FAILED, workflow="Fork")

    assert model.wrong == []
    assert (model.status, model.nodes["choose"].status) == ("failed", "failed")


def test_a_route_that_failed_is_not_asked_again() -> None:
    again = ("retry_scheduled", "choose", None, 2, {"due_at": DUE})

    assert played([*ROUTE_FAILED[:4], again], workflow="Fork").wrong


def test_nothing_may_come_between_an_event_and_the_failure_of_its_route() -> None:
    stray = ("outcome_ignored", "choose", None, 1, {"status": "choosing"})

    assert played([*ROUTE_FAILED[:3], stray, *ROUTE_FAILED[3:]], workflow="Fork").wrong


COMMAND = {"command": "c-7"}
MENDED: Sequence[Line] = (
    ("started",),
    ("step_started", "begin", None, 1),
    ("paused", None, None, None, COMMAND),
    ("step_completed", "begin", "done", 1),
    ("continued", None, None, None, COMMAND),
    ("step_started", "carry", None, 1),
    ("step_started", "linger", None, 1),
    ("step_started", "pause", None, 1),
    ("suspended", "pause", None, 1),
    ("timer_set", "pause", None, 1, {"timer": "wait", "due_at": DUE}),
    ("event_kept", "review", "received", None, {"command": "c-1"}),
    ("step_failed", "carry", None, 1, {"error": "ConnectionError", "message": "no line"}),
    ("interrupted", "linger", None, 1),
    ("interrupted", "pause", None, 1),
    ("failed", "carry"),
    ("retried", "carry", None, 1, COMMAND),
    ("step_started", "linger", None, 2),
    ("suspended", "pause", None, 1),
    ("timer_set", "pause", None, 1, {"timer": "wait", "due_at": DUE}),
    ("step_started", "carry", None, 2),
    ("skipped", "linger", "done", 2, COMMAND),
    ("step_completed", "linger", "done", 2),
)


def test_a_run_that_is_steered_is_legal() -> None:
    model = played(MENDED)

    assert model.wrong == []
    assert model.derived_status == "running"
    assert {timer.node for timer in model.pending_timers} == {"pause"}
    assert [kept.command for kept in model.kept] == ["c-1"]


# Nobody need have paused it, nor have skipped what runs; and it may be that the failure is the last thing so far.
@pytest.mark.parametrize(
    "place", [2, 4, 11, 12, 13, 14, 15, 16, 17, 19], ids=lambda place: f"{place} {MENDED[place][0]}"
)
def test_no_event_of_a_run_that_is_steered_can_be_missing(place: int) -> None:
    assert played([line for number, line in enumerate(MENDED) if number != place]).wrong
