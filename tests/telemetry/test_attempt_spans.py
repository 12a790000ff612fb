"""The code of a step is executed in a span of the run's trace, and its log lines say which attempt wrote them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Generator
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.telemetry.log_format import JsonFormatter
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.request import cancel_command, start_command
from tests.cycle.flows import Order, Retried, Review
from tests.cycle.partition import Partition
from tests.telemetry.recorder import PARENT, TRACE, TRACEPARENT, Recorder, ids_of, labels, parent_of

CALLS = trace.get_tracer("tests.calls")
LOG = logging.getLogger("tests.shop")


class Calls(Step[None]):
    """Calls something that is traced, as an instrumented HTTP client is."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        with CALLS.start_as_current_span("GET async"):
            await asyncio.sleep(0)
            LOG.info("called")
        return self.done()


class CallsInThread(Step[None]):
    """The same, blocking."""

    done = Event()

    def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        with CALLS.start_as_current_span("GET blocking"):
            LOG.info("called")
        return self.done()


class Hangs(Step[None]):
    """Never ends."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        await asyncio.Event().wait()
        return self.done()


class TimesOut(Hangs):
    """Is not waited for."""

    timeout = timedelta(milliseconds=1)


class Calling(Workflow[None], key="calling"):
    first = Calls()
    second = CallsInThread()
    done = Done()
    start = first
    transitions = (first.done.to(second), second.done.to(done))


class Hanging(Workflow[None], key="hanging"):
    hangs = Hangs()
    done = Done()
    start = hangs
    transitions = (hangs.done.to(done),)


class TimingOut(Workflow[None], key="timing"):
    slow = TimesOut()
    done = Done()
    start = slow
    transitions = (slow.done.to(done),)


@pytest.fixture
def log() -> Generator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    yield written
    LOG.removeHandler(handler)
    LOG.setLevel(level)


async def traced(partition: Partition, *commands: Command, traceparent: str = TRACEPARENT) -> Batch:
    """Runs commands that came with a trace, and all that follows."""
    headers = [("traceparent", traceparent.encode())]
    return await partition.cycle(*(partition.record(command, headers=headers) for command in commands))


@pytest.mark.parity(21)
async def test_what_a_step_calls_is_traced_within_the_attempt(recorder: Recorder) -> None:
    partition = Partition((Calling,))
    command = start_command(Calling, "a", None)
    await partition.finish(await traced(partition, command))
    assert partition.state(command.key, command.id).status == "completed"

    first, second = recorder.span("step Calling.first"), recorder.span("step Calling.second")
    assert [parent_of(first), parent_of(second)] == [(TRACE, PARENT)] * 2
    assert first.kind is SpanKind.INTERNAL
    assert dict(first.attributes or {}) == {
        "hephaestus.workflow": "Calling",
        "hephaestus.version": 1,
        "hephaestus.key": command.key,
        "hephaestus.run": command.id,
        "hephaestus.node": "first",
        "hephaestus.attempt": 1,
        "hephaestus.runner": "asyncio",
        "hephaestus.event": "done",
        "hephaestus.outcome": "completed",
    }
    assert (second.attributes or {})["hephaestus.runner"] == "thread"
    assert recorder.span("GET async").parent == first.context
    assert recorder.span("GET blocking").parent == second.context


@pytest.mark.parity(21)
async def test_a_failed_attempt_has_its_exception_and_a_bad_status(recorder: Recorder) -> None:
    partition = Partition()
    await traced(partition, start_command(Retried, "a", Order()))
    await partition.skip(timedelta(seconds=10))

    failed, again = recorder.spans("step Retried.flaky")
    [event] = failed.events
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "down"
    assert (failed.attributes or {})["error.type"] == "ConnectionError"
    assert event.name == "exception"
    assert "ConnectionError: down" in str((event.attributes or {})["exception.stacktrace"])
    assert again.status.status_code is StatusCode.UNSET
    assert (again.attributes or {})["hephaestus.attempt"] == 2


async def test_an_attempt_that_took_too_long_is_told_as_the_engine_is(recorder: Recorder) -> None:
    partition = Partition((TimingOut,))
    await partition.finish(await traced(partition, start_command(TimingOut, "a", None)))
    await partition.runner.close()

    span = recorder.span("step TimingOut.slow")
    assert (span.attributes or {})["error.type"] == "StepTimeoutError"


async def test_an_attempt_that_is_stopped_is_no_error(recorder: Recorder) -> None:
    partition = Partition((Hanging,))
    await traced(partition, start_command(Hanging, "a", None))
    await traced(partition, cancel_command(Hanging, "a"))
    await partition.runner.close()

    span = recorder.span("step Hanging.hangs")
    assert (span.attributes or {})["hephaestus.outcome"] == "stopped"
    assert span.status.status_code is StatusCode.UNSET
    assert recorder.metrics()["hephaestus.step.duration"] == {
        labels(workflow="Hanging", version=1, node="hangs", outcome="stopped"): 1
    }


@pytest.mark.parity(21)
async def test_a_step_that_suspends_is_told_so(recorder: Recorder) -> None:
    await traced(Partition(), start_command(Review, "a", Order()))

    assert (recorder.span("step Review.stars").attributes or {})["hephaestus.outcome"] == "suspended"


@pytest.mark.parametrize("traceparent", ["nonsense", TRACEPARENT[:-2] + "00"])
async def test_a_run_that_nobody_samples_has_no_spans_and_is_measured_all_the_same(
    recorder: Recorder, traceparent: str
) -> None:
    partition = Partition((Calling,))
    await partition.finish(await traced(partition, start_command(Calling, "a", None), traceparent=traceparent))

    assert [name for name in recorder.names() if not name.startswith("GET")] == []
    assert recorder.metrics()["hephaestus.step.duration"] == {
        labels(workflow="Calling", version=1, node="first", outcome="completed"): 1,
        labels(workflow="Calling", version=1, node="second", outcome="completed"): 1,
    }


@pytest.mark.parity(21)
async def test_the_lines_of_a_step_say_which_attempt_wrote_them(recorder: Recorder, log: io.StringIO) -> None:
    partition = Partition((Calling,))
    command = start_command(Calling, "a", None)
    await partition.finish(await traced(partition, command))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["node"] for line in lines] == ["first", "second"]
    for line, name in zip(lines, ("GET async", "GET blocking"), strict=True):
        found = {name: line[name] for name in ("message", "workflow", "key", "run", "attempt", "trace_id")}
        assert found == {
            "message": "called",
            "workflow": "Calling",
            "key": command.key,
            "run": command.id,
            "attempt": 1,
            "trace_id": TRACE,
        }
        assert line["span_id"] == ids_of(recorder.span(name))[1]


async def test_outside_of_a_step_the_log_knows_no_run(log: io.StringIO) -> None:
    partition = Partition((Calling,))
    await partition.finish(await partition.cycle(partition.record(start_command(Calling, "a", None))))
    log.truncate(log.seek(0))

    LOG.info("between")

    assert {"key", "run", "node"} & set(json.loads(log.getvalue())) == set()
