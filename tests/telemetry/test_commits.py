"""What a shard tells of a batch that is committed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.telemetry.api import LISTENERS
from hephaestus_stream.telemetry.commits import ShardTelemetry
from hephaestus_stream.telemetry.run_spans import begin_trace
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.headers import trace_of
from hephaestus_stream.wire.request import cancel_command, resume_command, start_command
from tests.cycle.flows import Chain, Order, Retried, Review, Stars
from tests.cycle.partition import BEGIN, TOPICS, Partition
from tests.telemetry.recorder import PARENT, TRACE, TRACEPARENT, Recorder, ids_of, labels, parent_of

OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def watched() -> Partition:
    """A partition of a worker whose process has an SDK."""
    partition = Partition()
    partition.shard = replace(partition.shard, is_watched=LISTENERS.are_there)
    return partition


async def tell(partition: Partition, *commands: Command, traceparent: str | None = TRACEPARENT) -> Batch:
    """Takes commands in one cycle, and tells of it as a shard does."""
    headers = [] if traceparent is None else [("traceparent", traceparent.encode())]
    batch = await partition.cycle(*(partition.record(command, headers=headers) for command in commands))
    ShardTelemetry().committed(batch, inputs=len(commands))
    return batch


def times(span: ReadableSpan) -> tuple[datetime, datetime]:
    assert span.start_time is not None
    assert span.end_time is not None
    begin, end = (
        BEGIN + timedelta(microseconds=each / 1000 - BEGIN.timestamp() * 1e6)
        for each in (span.start_time, span.end_time)
    )
    return begin, end


@pytest.mark.parity(21)
async def test_each_moment_of_a_run_is_counted_once(recorder: Recorder) -> None:
    await tell(watched(), *(start_command(Chain, each, Order()) for each in ("a", "b")))

    found = recorder.metrics()
    of = {"workflow": "Chain", "version": 1}
    assert found["hephaestus.runs.started"] == {labels(**of): 2}
    assert found["hephaestus.runs.ended"] == {labels(**of, status="completed"): 2}
    assert found["hephaestus.run.duration"] == {labels(**of, status="completed"): 2}
    assert found["hephaestus.step.attempts"] == {
        labels(**of, node=node, outcome="completed"): 2 for node in ("first", "second", "third")
    }
    assert found["hephaestus.transitions"] == {
        labels(**of, transition="started"): 2,
        labels(**of, transition="step_started"): 6,
        labels(**of, transition="step_completed"): 6,
        labels(**of, transition="completed"): 2,
    }
    assert found["hephaestus.commands"] == {labels(command="start", outcome="applied"): 2}
    assert {
        found[f"hephaestus.{name}"][labels()] for name in ("cycle.duration", "cycle.inputs", "commit.duration")
    } == {1}


@pytest.mark.parity(21)
async def test_commands_are_counted_by_their_effect_or_refusal(recorder: Recorder) -> None:
    partition = watched()
    start = start_command(Review, "a", Order())
    await tell(partition, start, start, start_command(Review, "a", Order()), cancel_command(Review, "b"))
    await partition.cycle(partition.record(b"{}"))  # not told, as a cycle that was lost
    ShardTelemetry().committed(await partition.cycle(partition.record(b"nonsense")), inputs=1)

    assert recorder.metrics()["hephaestus.commands"] == {
        labels(command="start", outcome="applied"): 1,
        labels(command="start", outcome="duplicate"): 1,
        labels(command="start", outcome="already_running"): 1,
        labels(command="cancel", outcome="not_found"): 1,
        labels(command="unknown", outcome="undecodable"): 1,
    }


@pytest.mark.parity(21)
async def test_failed_attempts_and_retries_are_counted_and_traced(recorder: Recorder) -> None:
    partition = watched()
    await tell(partition, start_command(Retried, "a", Order()))

    of = {"workflow": "Retried", "version": 1}
    assert recorder.metrics()["hephaestus.step.attempts"] == {labels(**of, node="flaky", outcome="failed"): 1}
    retry = recorder.span("retry Retried.flaky")
    assert (retry.attributes or {})["hephaestus.attempt"] == 2
    assert (retry.attributes or {})["hephaestus.due_at"] == (BEGIN + timedelta(seconds=10)).isoformat()
    assert recorder.spans("run Retried") == []


@pytest.mark.parity(21)
async def test_a_run_is_a_span_from_its_start_to_its_end_in_the_trace_of_its_start(recorder: Recorder) -> None:
    partition = watched()
    command = start_command(Review, "a", Order())
    await tell(partition, command)
    ShardTelemetry().committed(await partition.skip(timedelta(hours=2)), inputs=1)

    run, wait = recorder.span("run Review"), recorder.span("wait Review.stars")
    assert [parent_of(run), parent_of(wait)] == [(TRACE, PARENT)] * 2
    assert times(run) == times(wait) == (BEGIN, BEGIN + timedelta(hours=2))
    assert dict(run.attributes or {}) == {
        "hephaestus.workflow": "Review",
        "hephaestus.version": 3,
        "hephaestus.key": command.key,
        "hephaestus.run": command.id,
        "hephaestus.node": "late",
        "hephaestus.status": "failed",
        "error.type": "Failed",
    }
    assert (run.status.status_code, run.status.description) == (StatusCode.ERROR, "nobody came")
    assert (wait.attributes or {})["hephaestus.outcome"] == "timed_out"


@pytest.mark.parity(21)
async def test_the_command_that_ends_a_wait_is_linked_and_its_trace_is_not_continued(recorder: Recorder) -> None:
    partition = watched()
    await tell(partition, start_command(Review, "a", Order()))
    partition.now += timedelta(minutes=5)
    await tell(partition, resume_command(Review, "a", Review.stars.received, Stars(stars=5)), traceparent=OTHER)

    wait = recorder.span("wait Review.stars")
    [link] = wait.links
    assert parent_of(wait) == (TRACE, PARENT)
    assert times(wait) == (BEGIN, BEGIN + timedelta(minutes=5))
    assert f"00-{link.context.trace_id:032x}-{link.context.span_id:016x}-01" == OTHER
    assert (wait.attributes or {})["hephaestus.event"] == "received"
    assert parent_of(recorder.span("step Review.thanks")) == (TRACE, PARENT)


async def test_the_command_that_cancels_a_run_is_linked(recorder: Recorder) -> None:
    partition = watched()
    await tell(partition, start_command(Review, "a", Order()))
    await tell(partition, cancel_command(Review, "a"), traceparent=OTHER)

    run = recorder.span("run Review")
    assert [f"{link.context.span_id:016x}" for link in run.links] == [OTHER.split("-")[2]]
    assert (run.attributes or {})["hephaestus.status"] == "cancelled"
    assert run.status.status_code is StatusCode.UNSET


@pytest.mark.parity(21)
async def test_the_outputs_of_a_run_carry_its_trace_and_those_of_another_none(recorder: Recorder) -> None:
    partition = watched()
    await tell(partition, start_command(Chain, "a", Order()))
    await tell(partition, start_command(Chain, "b", Order()), traceparent=None)

    told = {(record.topic, record.key, trace_of(record.headers)) for record in partition.outputs}
    topics = (TOPICS.history, TOPICS.step_results, TOPICS.completions)
    assert told == {
        (topic, key, trace) for topic in topics for key, trace in ((b"chain::a", TRACEPARENT), (b"chain::b", None))
    }
    assert len(recorder.spans("run Chain")) == 1


async def test_a_start_without_a_trace_begins_one_where_somebody_samples(recorder: Recorder) -> None:
    found = begin_trace(Chain.definition)

    begin = recorder.span("begin Chain")
    assert begin.parent is None
    assert begin.kind is SpanKind.CONSUMER
    assert found is not None
    assert tuple(found.split("-")[1:3]) == ids_of(begin)
    recorder.switch.is_on = False
    assert begin_trace(Chain.definition) is None
