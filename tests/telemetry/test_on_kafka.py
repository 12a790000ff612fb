"""A client, a worker and a consumer on a real Kafka, in one trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import Consumer
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from hephaestus_stream import (
    AsyncClient,
    CommandRefusedError,
    Context,
    Done,
    Event,
    Instance,
    Outcome,
    Run,
    Step,
    Workflow,
)
from hephaestus_stream.runtime.worker import run_worker
from hephaestus_stream.settings import load_settings
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import start_command
from hephaestus_stream.wire.topics import Topics
from tests.cycle.flows import Chain, Order, Review, Stars
from tests.integration.workers import Publisher
from tests.telemetry.recorder import Recorder, ids_of, labels, parent_of

CALLERS = trace.get_tracer("tests.callers")


@asynccontextmanager
async def worker(connection: Connection, folder: Path) -> AsyncGenerator[None]:
    settings = load_settings(
        bootstrap=connection.bootstrap,
        namespace=connection.namespace,
        partitions=2,
        replication_factor=1,
        data=folder,
    )
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run_worker(
            (Chain, Review, Talk), settings, stop=stop, on_ready=lambda partitions: ready.set() if partitions else None
        )
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        waiting.cancel()
        stop.set()
        await task


@pytest.mark.parity(21)
async def test_a_call_its_run_and_what_the_run_publishes_are_one_trace(
    connection: Connection, tmp_path: Path, recorder: Recorder
) -> None:
    async with worker(connection, tmp_path), AsyncClient(connection) as client:
        with CALLERS.start_as_current_span("POST /reviews") as caller:
            run = await client.start(Review, "a", Order())
        with CALLERS.start_as_current_span("POST /stars"):
            await client.resume(Review, "a", Review.stars.received, Stars(stars=5))
        completion = await client.wait(run)
        found = recorder.metrics()
    headers = await asyncio.to_thread(published, connection, count=1)

    assert completion.status == "completed"
    start, resume = recorder.span("start Review"), recorder.span("resume Review")
    assert start.kind is SpanKind.PRODUCER
    assert (start.attributes or {})["messaging.destination.name"] == Topics(connection.namespace).commands
    assert (start.attributes or {})["hephaestus.outcome"] == "applied"
    assert start.parent == caller.get_span_context()
    ours = ids_of(start)
    for name in ("step Review.stars", "wait Review.stars", "step Review.thanks", "run Review"):
        assert parent_of(recorder.span(name)) == ours
    [link] = recorder.span("wait Review.stars").links
    assert f"{link.context.span_id:016x}" == ids_of(resume)[1]
    assert [each["traceparent"] for each in headers] == [f"00-{ours[0]}-{ours[1]}-03".encode()]
    assert found["hephaestus.runs.ended"] == {labels(workflow="Review", version=3, status="completed"): 1}
    assert found["hephaestus.partitions.owned"] == {labels(): 2}
    assert len(found["hephaestus.mailbox.inputs"]) == 2


async def test_the_command_of_somebody_who_does_not_trace_gets_a_trace_from_the_worker(
    connection: Connection, tmp_path: Path, recorder: Recorder
) -> None:
    async with worker(connection, tmp_path):
        Publisher(connection).send([start_command(Chain, "a", Order())])
        [headers] = await asyncio.to_thread(published, connection, count=1)

    begin = recorder.span("begin Chain")
    assert parent_of(recorder.span("step Chain.first")) == ids_of(begin)
    assert "-".join(ids_of(begin)) in str(headers["traceparent"])


class Verbose(Step[int]):
    """Says as much as it is told to."""

    said = Event(str)

    async def execute(self, instance: Instance, config: None, context: Context[int]) -> Outcome:
        return self.said("x" * context.initial)


class Talk(Workflow[int], key="talk"):
    """One long result."""

    say = Verbose()
    done = Done()
    start = say
    transitions = (say.said.to(done),)


async def test_what_a_cycle_did_in_vain_is_not_counted(
    connection: Connection, tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hephaestus_stream.runtime.transaction.RECORD_LIMIT", 20_000)
    async with worker(connection, tmp_path), AsyncClient(connection) as client:
        sizes = {"a": 10, "b": 30_000, "c": 10}
        starts = [client.start(Talk, id, size) for id, size in sizes.items()]  # noqa: A001 - the workflow's id
        answers = await asyncio.gather(*starts, return_exceptions=True)
        found = recorder.metrics()

    assert [type(answer) for answer in answers] == [Run, CommandRefusedError, Run]
    assert found["hephaestus.runs.started"] == {labels(workflow="Talk", version=1): 2}
    assert found["hephaestus.commands"] == {
        labels(command="start", outcome="applied"): 2,
        labels(command="start", outcome="too_large"): 1,
    }
    assert len(recorder.spans("run Talk")) == 2
    refused = next(
        span for span in recorder.spans("start Talk") if (span.attributes or {})["hephaestus.key"] == "talk::b"
    )
    assert (refused.attributes or {})["hephaestus.outcome"] == "too_large"


def published(connection: Connection, *, count: int) -> list[dict[str, object]]:
    """The headers of completions, as a consumer gets them."""
    consumer = Consumer(
        {
            **connection.librdkafka(),
            "group.id": "telemetry",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([Topics(connection.namespace).completions])
    found: list[dict[str, object]] = []
    try:
        while len(found) < count:
            message = consumer.poll(20)
            assert message is not None, "no completion came"
            assert message.error() is None
            found.append(dict(cast("list[tuple[str, object]]", message.headers() or [])))
    finally:
        consumer.close()
    return found
