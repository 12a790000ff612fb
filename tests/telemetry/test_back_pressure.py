"""A worker that gets too much, on a real Kafka: what it holds has bounds, and it says what it waits for."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hephaestus_stream import AsyncClient, Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.runtime.worker import run_worker
from hephaestus_stream.settings import load_settings
from hephaestus_stream.telemetry import names
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import start_command
from tests.integration.workers import Publisher
from tests.telemetry.recorder import Labels, Recorder

CONCURRENCY = 2
HELD = 10 * CONCURRENCY
FETCHED, READ, WAITING = 10, 20, 30
SLOW_RUNS = 200

gate = asyncio.Event()
ended: set[str] = set()


class Waits(Step[None]):
    """Ends when its test says so."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        await gate.wait()
        ended.add(instance.id)
        return self.done()


class Hurries(Step[None]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done()


class Slow(Workflow[None], key="slow"):
    only = Waits()
    done = Done()
    start = only
    transitions = (only.done.to(done),)


class Quick(Workflow[None], key="quick"):
    only = Hurries()
    done = Done()
    start = only
    transitions = (only.done.to(done),)


@asynccontextmanager
async def worker(connection: Connection, folder: Path) -> AsyncGenerator[None]:
    settings = load_settings(
        bootstrap=connection.bootstrap,
        namespace=connection.namespace,
        partitions=2,
        replication_factor=1,
        data=folder,
        concurrency=CONCURRENCY,
    )
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run_worker((Slow, Quick), settings, stop=stop, on_ready=lambda owned: ready.set() if owned else None)
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        waiting.cancel()
        stop.set()
        await task


def ids(prefix: str, partition: int) -> Iterator[str]:
    """Ids whose keys lie in a partition."""
    found = (f"{number}" for number in itertools.count())
    return (each for each in found if partition_for(f"{prefix}::{each}".encode(), 2) == partition)


def of(partition: int, **more: str) -> Labels:
    return frozenset(
        {names.PARTITION: str(partition), **{f"hephaestus.{name}": value for name, value in more.items()}}.items()
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition comes true in a worker
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def fresh() -> None:
    gate.__init__()  # type: ignore[misc]  # the steps know this one only
    ended.clear()


async def test_slow_steps_stop_the_reading_of_their_partition_and_hold_up_nobody_else(
    connection: Connection, tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hephaestus_stream.runtime.stream.aiokafka_consumer.MAX_RECORDS", FETCHED)
    monkeypatch.setattr("hephaestus_stream.runtime.mailbox.MAX_COMMANDS", READ)
    monkeypatch.setattr("hephaestus_stream.runtime.backlog.MAX_WAITING", WAITING)
    slow = list(itertools.islice(ids("slow", 0), SLOW_RUNS))

    async with worker(connection, tmp_path), AsyncClient(connection) as client:
        await asyncio.to_thread(Publisher(connection).send, [start_command(Slow, each, None) for each in slow])
        told: dict[str, dict[Labels, float]] = {}

        def is_paused() -> bool:
            told.update(recorder.metrics())
            return of(0, pause="backlog") in told.get("hephaestus.reading.paused", {})

        await until(is_paused)
        run = await client.start(Quick, next(ids("quick", 1)), None)
        completion = await client.wait(run)

        held, now = told["hephaestus.attempts.held"], recorder.metrics()
        assert completion.status == "completed"
        assert max(*held.values(), *now["hephaestus.attempts.held"].values()) <= HELD + 1
        assert now["hephaestus.attempts.waiting"][frozenset()] == HELD - CONCURRENCY
        assert now["hephaestus.backlog.attempts"][of(0)] <= WAITING + READ + FETCHED
        assert now["hephaestus.mailbox.inputs"][of(0)] <= READ + FETCHED
        assert now["hephaestus.commands.lag"][of(0)] > 0
        assert list(now["hephaestus.reading.paused"]) == [of(0, pause="backlog")]
        gate.set()
        await until(lambda: ended == set(slow))
        await until(lambda: not recorder.metrics().get("hephaestus.reading.paused"))
