from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.errors import RecordError
from hephaestus_stream.wire.output import CompletionRecord, HistoryRecord, Reply, StepResultRecord
from hephaestus_stream.wire.output_bytes import (
    encode_completion,
    encode_history,
    encode_reply,
    encode_step_result,
    rfc3339,
)

STARTED = datetime(2026, 11, 23, 6, 4, 5, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 6, 4, 6, 123456, tzinfo=UTC)

# As in wire.md, with values in the place of the dots.
HISTORY = (
    b'{"schema": 1, "workflow": "OrderFlow", "version": 2, "key": "orderid::abc123", "run": "0192f0c1", '
    b'"sequence": 7, "at": "2026-11-23T06:04:06.123456Z", "type": "step_completed", "node": "charge", '
    b'"event": "charged", "attempt": 1, "details": {}}'
)
STEP_RESULT = (
    b'{"schema": 1, "workflow": "OrderFlow", "version": 2, "key": "orderid::abc123", "run": "0192f0c1", '
    b'"sequence": 7, "at": "2026-11-23T06:04:06.123456Z", "node": "charge", "event": "charged", "attempt": 1, '
    b'"result": {"reference": "p-1"}, "metadata": {}, "started_at": "2026-11-23T06:04:05.000000Z"}'
)
COMPLETION = (
    b'{"schema": 1, "workflow": "OrderFlow", "version": 2, "key": "orderid::abc123", "run": "0192f0c1", '
    b'"sequence": 12, "at": "2026-11-23T06:04:06.123456Z", "status": "completed", "ended_at": "done", "error": null, '
    b'"results": {"charge": {"reference": "p-1"}}, "started_at": "2026-11-23T06:04:05.000000Z"}'
)
REPLY = (
    b'{"schema": 1, "id": "0192f0c1", "key": "orderid::abc123", "accepted": true, "effect": "applied", '
    b'"reason": null, "message": null, "run": "0192f0c1", "partition": 3, "position": 4711, '
    b'"at": "2026-11-23T06:04:06.123456Z"}'
)


def test_the_history_of_the_contract_is_written_and_read() -> None:
    written = encode_history(
        workflow="OrderFlow",
        version=2,
        key="orderid::abc123",
        run="0192f0c1",
        sequence=7,
        at=NOW,
        type="step_completed",
        node="charge",
        event="charged",
        attempt=1,
    )

    assert json.loads(written) == json.loads(HISTORY)
    assert (
        HistoryRecord.from_bytes(written)
        == HistoryRecord.from_bytes(HISTORY)
        == HistoryRecord(
            workflow="OrderFlow",
            version=2,
            key="orderid::abc123",
            run="0192f0c1",
            sequence=7,
            at=NOW,
            type="step_completed",
            node="charge",
            event="charged",
            attempt=1,
            details={},
        )
    )


def test_the_step_result_of_the_contract_is_written_and_read() -> None:
    written = encode_step_result(
        workflow="OrderFlow",
        version=2,
        key="orderid::abc123",
        run="0192f0c1",
        sequence=7,
        at=NOW,
        node="charge",
        event="charged",
        attempt=1,
        result=b'{"reference":"p-1"}',
        started_at=STARTED,
    )

    assert json.loads(written) == json.loads(STEP_RESULT)
    assert (
        StepResultRecord.from_bytes(written)
        == StepResultRecord.from_bytes(STEP_RESULT)
        == StepResultRecord(
            workflow="OrderFlow",
            version=2,
            key="orderid::abc123",
            run="0192f0c1",
            sequence=7,
            at=NOW,
            node="charge",
            event="charged",
            attempt=1,
            result={"reference": "p-1"},
            metadata={},
            started_at=STARTED,
        )
    )


def test_the_completion_of_the_contract_is_written_and_read() -> None:
    written = encode_completion(
        workflow="OrderFlow",
        version=2,
        key="orderid::abc123",
        run="0192f0c1",
        sequence=12,
        at=NOW,
        status="completed",
        ended_at="done",
        results={"charge": b'{"reference":"p-1"}'},
        started_at=STARTED,
    )

    assert json.loads(written) == json.loads(COMPLETION)
    assert (
        CompletionRecord.from_bytes(written)
        == CompletionRecord.from_bytes(COMPLETION)
        == CompletionRecord(
            workflow="OrderFlow",
            version=2,
            key="orderid::abc123",
            run="0192f0c1",
            sequence=12,
            at=NOW,
            status="completed",
            ended_at="done",
            error=None,
            results={"charge": {"reference": "p-1"}},
            started_at=STARTED,
        )
    )


def test_the_answer_of_the_contract_is_written_and_read() -> None:
    written = encode_reply(
        id="0192f0c1",
        key="orderid::abc123",
        accepted=True,
        effect="applied",
        run="0192f0c1",
        partition=3,
        position=4711,
        at=NOW,
    )

    assert json.loads(written) == json.loads(REPLY), "no 'duplicate' where it is none"
    assert (
        Reply.from_bytes(written)
        == Reply.from_bytes(REPLY)
        == Reply(
            id="0192f0c1",
            key="orderid::abc123",
            accepted=True,
            effect="applied",
            reason=None,
            message=None,
            run="0192f0c1",
            partition=3,
            position=4711,
            at=NOW,
            duplicate=False,
        )
    )


def test_a_refusal_and_a_repetition_are_read_as_written() -> None:
    written = encode_reply(
        id="c-2",
        key=None,
        accepted=False,
        reason="unknown_node",
        message="OrderFlow has no node 'chrge'; did you mean 'charge'?",
        partition=0,
        at=NOW,
        duplicate=True,
    )

    assert Reply.from_bytes(written) == Reply(
        id="c-2",
        accepted=False,
        reason="unknown_node",
        message="OrderFlow has no node 'chrge'; did you mean 'charge'?",
        partition=0,
        at=NOW,
        duplicate=True,
    )
    assert json.loads(written)["duplicate"] is True


def test_what_a_history_event_lacks_is_null() -> None:
    written = encode_history(
        workflow="W", version=1, key="k::a", run="r", sequence=1, at=NOW, type="started", details=b'{"tags":["eu"]}'
    )

    fields = json.loads(written)
    assert (fields["node"], fields["event"], fields["attempt"]) == (None, None, None)
    assert HistoryRecord.from_bytes(written).details == {"tags": ["eu"]}


def test_a_failure_says_why_in_its_completion() -> None:
    written = encode_completion(
        workflow="W",
        version=1,
        key="k::a",
        run="r",
        sequence=3,
        at=NOW,
        status="failed",
        error={"node": "charge", "message": "the card was declined"},
        results={},
        started_at=STARTED,
    )

    record = CompletionRecord.from_bytes(written)
    assert (record.status, record.ended_at) == ("failed", None)
    assert record.error == {"node": "charge", "message": "the card was declined"}


def test_details_may_be_any_mapping_at_any_depth() -> None:
    details = MappingProxyType({"delay": 1.5, "nodes": ["a"], "inner": MappingProxyType({"n": 1})})

    written = encode_history(
        workflow="W", version=1, key="k::a", run="r", sequence=1, at=NOW, type="retry_scheduled", details=details
    )

    assert HistoryRecord.from_bytes(written).details == {"delay": 1.5, "nodes": ["a"], "inner": {"n": 1}}


def test_details_that_are_no_json_are_refused() -> None:
    with pytest.raises(TypeError, match="object is no JSON"):
        encode_history(
            workflow="W", version=1, key="k::a", run="r", sequence=1, at=NOW, type="started", details={"x": object()}
        )


def test_a_consumer_ignores_what_a_newer_worker_adds() -> None:
    newer = json.dumps({**json.loads(HISTORY), "schema": 2, "type": "teleported", "region": "eu"}).encode()

    record = HistoryRecord.from_bytes(newer)

    assert (record.type, record.schema_version) == ("teleported", 2)


def test_a_client_reads_a_reason_that_it_does_not_know() -> None:
    newer = json.dumps({**json.loads(REPLY), "accepted": False, "effect": None, "reason": "out_of_stock"}).encode()

    assert Reply.from_bytes(newer).reason == "out_of_stock"


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, REPLY[:-1], REPLY.replace(b"applied", b"secret")]
)
def test_what_is_no_answer_is_refused(value: bytes) -> None:
    with pytest.raises(RecordError, match="no Reply") as refused:
        Reply.from_bytes(value)

    assert "secret" not in str(refused.value)


def test_a_time_without_a_zone_is_refused_by_readers_and_writers() -> None:
    with pytest.raises(RecordError, match="'at'"):
        Reply.from_bytes(REPLY.replace(b"06.123456Z", b"06.123456"))
    with pytest.raises(ValueError, match="no time zone"):
        rfc3339(datetime(2026, 11, 23, 6, 4, 5))  # noqa: DTZ001 - that is what is refused


def test_a_whole_second_keeps_its_fraction() -> None:
    assert rfc3339(STARTED) == "2026-11-23T06:04:05.000000Z"


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    assert (
        rfc3339(datetime(2026, 11, 23, 7, 4, 5, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-23T06:04:05.000000Z"
    )


def test_the_two_readings_of_a_repeated_hour_are_two_instants() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))

    assert rfc3339(first) == "2026-10-25T00:30:00.000000Z"
    assert rfc3339(first.replace(fold=1)) == "2026-10-25T01:30:00.000000Z"


@given(*[st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1))] * 2)  # noqa: DTZ001 - Hypothesis's bounds are naive
def test_texts_sort_as_the_instants_do_and_are_read_back(one: datetime, other: datetime) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)
    assert datetime.fromisoformat(rfc3339(one)) == one
