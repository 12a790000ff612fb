from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from pydantic import BaseModel

from hephaestus_stream import Done, NodeEvent, Wait, WaitForEvent, Workflow
from hephaestus_stream.errors import EventLogError
from hephaestus_stream.eventlog import EventLog, Row
from hephaestus_stream.wire.command import Command, ResumeCommand, StartCommand, encode_command


class Patient(BaseModel, frozen=True):
    name: str


class Finding(BaseModel, frozen=True):
    value: float


class VisitFlow(Workflow[Patient], key="visit"):
    blood = WaitForEvent(Finding)
    rest = Wait(timedelta(minutes=5))
    pressure = WaitForEvent(Finding)
    done = Done()

    start = blood
    transitions = (blood.received.to(rest), rest.elapsed.to(pressure), pressure.received.to(done))


class OtherFlow(Workflow[Patient], key="other"):
    blood = WaitForEvent(Finding)
    done = Done()

    start = blood
    transitions = (blood.received.to(done),)


EVENTS = {"Blood test": VisitFlow.blood.received, "Blood pressure": VisitFlow.pressure.received}


def test_the_first_row_of_a_case_starts_it_and_later_ones_are_events_for_that_very_run() -> None:
    start, event = _commands(("p-1", "Arrival", "ada"), ("p-1", "Blood pressure", "80"))

    assert isinstance(start, StartCommand)
    assert (start.workflow, start.key, start.input) == ("VisitFlow", "visit::p-1", {"name": "ada"})
    assert isinstance(event, ResumeCommand)
    assert (event.key, event.run, event.node, event.event) == ("visit::p-1", start.id, "pressure", "received")
    assert event.payload == {"value": 80.0}


def test_commands_keep_the_order_of_the_rows() -> None:
    rows = (("p-1", "Arrival", "a"), ("p-2", "Arrival", "b"), ("p-1", "Blood test", "1"), ("p-2", "Blood test", "2"))

    assert [(each.type, each.key) for each in _commands(*rows)] == [
        ("start", "visit::p-1"),
        ("start", "visit::p-2"),
        ("resume", "visit::p-1"),
        ("resume", "visit::p-2"),
    ]


@pytest.mark.parametrize("activity", ["X-ray", "done", "blood", "", "two\nlines", "long " * 100])
def test_an_activity_without_an_event_is_sent_to_a_node_that_cannot_exist(activity: str) -> None:
    _, event = _commands(("p-1", "Arrival", "ada"), ("p-1", activity, "what not"))

    assert isinstance(event, ResumeCommand)
    assert event.node is not None
    assert not event.node.isidentifier()
    assert activity[:20].split("\n", maxsplit=1)[0] in event.node
    encode_command(event)


def test_a_case_that_is_opened_again_is_an_event_without_a_node() -> None:
    _, event = _commands(("p-1", "Arrival", "ada"), ("p-1", "Arrival", "ada"))

    assert isinstance(event, ResumeCommand)
    assert event.node == "activity:Arrival"


def test_the_same_rows_make_the_same_commands_and_each_row_one_of_its_own() -> None:
    rows = (("p-1", "Arrival", "a"), ("p-2", "Arrival", "a"), ("p-1", "Blood test", "1"), ("p-1", "Blood test", "1"))

    ids = [command.id for command in _commands(*rows)]

    assert ids == [command.id for command in _commands(*rows)]
    assert len(set(ids)) == len(rows)


def test_the_same_row_of_another_case_makes_another_command() -> None:
    (ada,) = _commands(("p-1", "Arrival", "ada"))
    (bob,) = _commands(("p-2", "Arrival", "ada"))

    assert ada.id != bob.id


def test_a_case_that_does_not_begin_with_its_opening_is_refused_with_its_line() -> None:
    with pytest.raises(EventLogError, match="line 3: p-2 begins with 'Blood test', not with 'Arrival'"):
        _commands(("p-1", "Arrival", "ada"), ("p-2", "Blood test", "80"))


def test_a_value_that_its_model_refuses_is_told_with_its_line() -> None:
    with pytest.raises(EventLogError, match=r"line 3 cannot be read: ValueError: could not convert .* 'high'"):
        _commands(("p-1", "Arrival", "ada"), ("p-1", "Blood test", "high"))


def test_a_case_that_can_be_no_key_is_told_with_its_line() -> None:
    with pytest.raises(EventLogError, match="line 2 cannot be sent: the id is empty"):
        _commands(("", "Arrival", "ada"))


@pytest.mark.parametrize("column", ["case", "activity", "value"])
def test_a_column_that_the_file_lacks_is_named_beside_those_that_it_has(column: str) -> None:
    values = {"case": "p-1", "activity": "Arrival", "value": "ada"}
    del values[column]

    with pytest.raises(EventLogError, match=f"no column '{column}'; its first line names {', '.join(values)}"):
        list(_log().commands([Row(values, number=1, line=2)]))


def test_all_that_is_wrong_with_a_declaration_is_said_at_once() -> None:
    with pytest.raises(EventLogError) as refused:
        _log({"A": OtherFlow.blood.received, "B": VisitFlow.rest.elapsed, "Arrival": VisitFlow.blood.received})

    assert [line.strip()[:30] for line in str(refused.value).splitlines()[1:]] == [
        "'A': blood.received is no even",
        "'B': rest.elapsed may not come",
        "'Arrival' opens a case, so it ",
    ]


def _log(events: Mapping[str, NodeEvent[Finding] | NodeEvent[None]] = EVENTS) -> EventLog[Patient, Finding]:
    return EventLog(
        VisitFlow,
        case="case",
        activity="activity",
        start="Arrival",
        initial=lambda row: Patient(name=row["value"]),
        events=events,  # type: ignore[arg-type]  # a test declares it wrongly
        payload=lambda row: Finding(value=float(row["value"])),
    )


def _commands(*rows: tuple[str, str, str]) -> list[Command]:
    columns = ("case", "activity", "value")
    numbered = enumerate(rows, start=1)
    return list(
        _log().commands(
            Row(dict(zip(columns, row, strict=True)), number=number, line=number + 1) for number, row in numbered
        )
    )
