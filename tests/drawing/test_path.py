from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from hephaestus_stream.core.decision import HistoryEvent, HistoryType
from hephaestus_stream.core.graph import Edge
from hephaestus_stream.core.state import NodeState, Reported, State
from hephaestus_stream.drawing import PathTaken, mermaid, plain, svg
from hephaestus_stream.drawing.path import Progress, Reached
from hephaestus_stream.testing import Simulator
from tests.drawing.pictures import Picture
from workflows.order import Order, OrderFlow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXPRESS = Edge("pack", "packed", "express", "express")


def happened(*rows: tuple[HistoryType, str | None, str | None, dict[str, object]]) -> list[HistoryEvent]:
    return [
        HistoryEvent(number, NOW, kind, node, event, 1, details)
        for number, (kind, node, event, details) in enumerate(rows, start=1)
    ]


PACKED = happened(
    ("started", None, None, {}),
    ("step_started", "pack", None, {}),
    ("step_completed", "pack", "packed", {}),
    ("routed", "pack", "packed", {"label": "express"}),
    ("node_dead", "standard", None, {}),
    ("step_started", "express", None, {}),
    ("suspended", "express", None, {}),
)


def test_state_and_history_tell_the_same_path() -> None:
    state = State(
        key="orderid::1",
        run="r",
        workflow="OrderFlow",
        version=1,
        status="waiting",
        input=b"{}",
        started_at=NOW,
        updated_at=NOW,
        nodes={
            "pack": NodeState("completed", reported=Reported("packed"), label="express"),
            "standard": NodeState("dead"),
            "express": NodeState("waiting"),
        },
    )

    assert PathTaken.from_state(state) == PathTaken.from_history(PACKED)


def test_records_may_be_dictionaries_as_they_come_from_the_wire() -> None:
    records = [{"type": e.type, "node": e.node, "event": e.event, "details": e.details} for e in PACKED]

    assert PathTaken.from_history(records) == PathTaken.from_history(PACKED)


@pytest.mark.parametrize(
    ("source", "progress"),
    [
        (None, "open"),
        (Reached("waiting"), "open"),
        (Reached("completed", "packed", "express"), "taken"),
        (Reached("completed", "packed", "standard"), "dead"),
        (Reached("completed", "packed"), "open"),  # its route has not been asked
        (Reached("completed", "broken"), "dead"),
        (Reached("dead"), "dead"),
        (Reached("failed"), "dead"),
        (Reached("interrupted"), "dead"),
    ],
)
def test_the_source_of_an_edge_decides_whether_it_was_taken(source: Reached | None, progress: Progress) -> None:
    path = PathTaken({} if source is None else {"pack": source})

    assert path.progress_along(EXPRESS) == progress


def test_a_failed_attempt_that_is_repeated_leaves_its_node_active() -> None:
    path = PathTaken.from_history(
        happened(
            ("step_started", "charge", None, {}),
            ("step_failed", "charge", None, {"error": "ConnectionError"}),
            ("retry_scheduled", "charge", None, {}),
        )
    )

    assert path.progress("charge") == "active"


def test_a_node_that_fails_its_run_stays_failed() -> None:
    path = PathTaken.from_history(happened(("step_failed", "charge", None, {}), ("failed", "charge", None, {})))

    assert path.progress("charge") == "failed"


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_the_end_of_a_run_is_told_of_its_ending(end: HistoryType) -> None:
    path = PathTaken.from_history(happened((end, "done", None, {})))

    assert path.nodes == {"done": Reached("completed")}


def test_what_a_newer_worker_tells_changes_nothing() -> None:
    record = {"type": "painted_blue", "node": "pack", "event": "painted"}

    assert PathTaken.from_history([record]) == PathTaken()


def test_the_next_life_of_a_key_begins_without_a_path() -> None:
    path = PathTaken.from_history([*PACKED, *happened(("started", None, None, {}))])

    assert path == PathTaken()


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_what_an_ended_run_has_not_reached_it_never_will(end: HistoryType) -> None:
    path = PathTaken.from_history([*PACKED[:2], *happened((end, None, None, {}), ("event_kept", "pack", None, {}))])

    assert (path.ended, path.progress("express"), path.progress_along(Edge("express", "sent", None, "x"))) == (
        True,
        "dead",
        "dead",
    )


def test_the_next_life_of_a_key_may_reach_what_the_former_did_not() -> None:
    path = PathTaken.from_history(happened(("cancelled", None, None, {}), ("started", None, None, {})))

    assert path.progress("express") == "open"


async def test_all_drawings_of_a_cancelled_run_mark_what_was_never_reached() -> None:
    simulator = Simulator()
    run = await simulator.start(OrderFlow, "abc123", Order(sku="chair", quantity=2, customer="ada"))
    run = await simulator.cancel(run)
    paths = [PathTaken.from_state(run.state), PathTaken.from_history(run.history)]
    assert paths[0] == paths[1]

    for path in paths:
        assert "· review" in plain(OrderFlow.definition, path=path)
        assert "dead" in Picture(svg(OrderFlow.definition, path=path)).classes_of("review")
        [dead] = re.findall(r"class (\S+) dead", mermaid(OrderFlow.definition, path=path))
        assert "node_review" in dead.split(",")
