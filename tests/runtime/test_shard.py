from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer
from rocksdict import Cache

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Wait, Workflow
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.decision import Decision
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle import execution, tables
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.record import Header, Record, encode
from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.errors import CommitFailedError, EngineBrokenError, ShardClosedError
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.courier import Courier
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.pace import Pace
from hephaestus_stream.runtime.shard import Shard, Surroundings
from hephaestus_stream.runtime.steps.runner import StepRunner
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.telemetry.commits import ShardTelemetry
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import AnyWorkflow, cancel_command, start_command
from hephaestus_stream.wire.topics import Topics

gates: dict[str, asyncio.Event] = {}
executed: list[str] = []


class Waits(Step[None]):
    """Ends when its test says so."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        executed.append(context.idempotency_key)
        await gates.setdefault(instance.id, asyncio.Event()).wait()
        return self.done()


class Quick(Step[None]):
    """Ends at once."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        executed.append(context.idempotency_key)
        return self.done()


class Flow(Workflow[None], key="flow"):
    """Something that waits, then something quick."""

    waits = Waits()
    quick = Quick()
    done = Done()
    start = waits
    transitions = (waits.done.to(quick), quick.done.to(done))


class Verbose(Step[int]):
    """Says as much as it is told to."""

    said = Event(str)

    async def execute(self, instance: Instance, config: None, context: Context[int]) -> Outcome:
        executed.append(context.idempotency_key)
        return self.said("x" * context.initial)


class Talk(Workflow[int], key="talk"):
    """One long result."""

    say = Verbose()
    done = Done()
    start = say
    transitions = (say.said.to(done),)


class Nap(Workflow[None], key="nap"):
    """A timer that is due at once."""

    pause = Wait(timedelta(0))
    done = Done()
    start = pause
    transitions = (pause.elapsed.to(done),)


@dataclass
class Place:
    """Where shards of one partition are opened, one after the other, as a worker does."""

    connection: Connection
    folder: Path
    runner: StepRunner
    courier: Courier
    threads: ThreadPoolExecutor
    origin: Origin
    producer: Producer
    workflows: tuple[AnyWorkflow, ...]
    clock: WorkerClock = field(default_factory=WorkerClock)
    failures: list[BaseException] = field(default_factory=list[BaseException])
    offsets: itertools.count[int] = field(default_factory=itertools.count)

    def shard(self) -> tuple[Shard, DurableShard]:
        durable = DurableShard(self.origin, 0, self.clock)
        around = Surroundings(
            self._profile, self.runner, self.courier, self.threads, self.failures.append, clock=self.clock
        )
        return Shard(0, durable, around), durable

    def records(self, *commands: Command) -> list[CommandRecord]:
        """Publishes commands, and reads them as the stream does."""
        topic, dates = Topics(self.connection.namespace).commands, list[int]()
        for command in commands:
            self.producer.produce(
                topic,
                encode_command(command),
                command.key,
                on_delivery=lambda _, sent: dates.append(sent.timestamp()[1]),
            )
        assert self.producer.flush(20) == 0
        return [
            CommandRecord(next(self.offsets), date, command.key.encode(), encode_command(command))
            for command, date in zip(commands, dates, strict=True)
        ]

    def _profile(self, partition: int) -> ShardProfile:
        return ShardProfile(
            partition=partition,
            partitions=1,
            topics=Topics(self.connection.namespace),
            catalog=Catalog(self.workflows),
            jitter=lambda: 0.5,
        )


@pytest.fixture
async def place(connection: Connection, tmp_path: Path) -> AsyncGenerator[Place]:
    gates.clear()
    executed.clear()
    async with place_of(connection, tmp_path, (Flow, Nap, Talk)) as found:
        yield found


@asynccontextmanager
async def place_of(connection: Connection, tmp_path: Path, workflows: tuple[AnyWorkflow, ...]) -> AsyncGenerator[Place]:
    create_topics(connection, partitions=1, replication_factor=1)
    origin = Origin.of(connection, folder=tmp_path, cache=Cache(8_000_000))
    found = Place(
        connection,
        tmp_path,
        StepRunner(concurrency=10, threads=1),
        Courier(connection, on_refusal=lambda: None),
        ThreadPoolExecutor(2),
        origin,
        Producer(connection.librdkafka(linger_ms=0)),
        workflows,
    )
    yield found
    await found.runner.close()
    found.courier.close()
    origin.close()
    found.threads.shutdown()
    assert found.failures == []


def state_in(durable: DurableShard, command: Command) -> State | None:
    return Tables(durable.store, command_retention=timedelta(0)).state(command.key, command.id)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the condition comes true in a thread
            await asyncio.sleep(0.005)


def status_of(durable: DurableShard, command: Command, node: str) -> str | None:
    state = state_in(durable, command)
    return None if state is None or node not in state.nodes else state.nodes[node].status


async def test_an_outcome_that_came_before_the_close_is_committed_by_it(place: Place) -> None:
    shard, durable = place.shard()
    await shard.open()
    command = start_command(Flow, "a", None)
    shard.deliver(place.records(command))
    await until(lambda: status_of(durable, command, "waits") == "running" and len(executed) == 1)

    # The cycle of another command is being committed, so the shard cannot take the outcome before it is closed.
    other = start_command(Flow, "b", None)
    shard.deliver(place.records(other))
    while f"{other.key}/{other.id}/waits" not in executed:  # noqa: ASYNC110 - each turn of the loop counts
        await asyncio.sleep(0)
    gates["a"].set()
    await until_ended(place, command)
    await shard.close()

    _, reopened = place.shard()
    opened = await asyncio.to_thread(reopened.open)
    assert not opened.worker_lost
    assert status_of(reopened, command, "waits") == "completed"
    # What follows is begun by the next owner.
    assert status_of(reopened, command, "quick") == "running"
    assert executed == [f"{command.key}/{command.id}/waits", f"{other.key}/{other.id}/waits"]
    await asyncio.to_thread(reopened.close, position=None)


async def until_ended(place: Place, command: Command) -> None:
    """Waits until the step has ended, and no longer: the shard has not heard of it yet."""
    executions = place.runner._executions.items()  # pyright: ignore[reportPrivateUsage] - nobody else knows it so early
    [outcome] = [execution.outcome for attempt, execution in executions if attempt.run == command.id]
    await asyncio.wait({outcome})


async def test_a_shard_that_is_closed_while_it_rests_between_cycles_is_closed_in_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard, _ = place.shard()
    await shard.open()
    closing: list[asyncio.Task[None]] = []

    def rest(_pace: Pace, _now: float, *, waiting: int) -> float:  # noqa: ARG001 - the method's arguments
        if not closing:
            closing.append(asyncio.create_task(shard.close()))
        return 0.05

    monkeypatch.setattr(Pace, "rest", rest)
    shard.deliver(place.records(start_command(Nap, "a", None)))
    await until(lambda: bool(closing))
    await closing[0]

    _, reopened = place.shard()
    opened = await asyncio.to_thread(reopened.open)
    assert not opened.worker_lost
    await asyncio.to_thread(reopened.close, position=None)


async def test_a_shard_that_comes_back_to_its_worker_attaches_to_the_step_that_still_runs(place: Place) -> None:
    shard, durable = place.shard()
    await shard.open()
    command = start_command(Flow, "a", None)
    shard.deliver(place.records(command))
    await until(lambda: status_of(durable, command, "waits") == "running" and len(executed) == 1)
    await shard.close()
    gates["a"].set()

    again, reopened = place.shard()
    await again.open()
    await until(lambda: status_of(reopened, command, "done") == "completed")
    await again.close()

    assert executed == [f"{command.key}/{command.id}/waits", f"{command.key}/{command.id}/quick"]


async def test_a_shard_whose_last_command_the_brokers_replaced_is_not_opened(place: Place) -> None:
    shard, _ = place.shard()
    await shard.open()
    [record] = place.records(start_command(Nap, "a", None))
    # The one that the topic has now was appended later than the one that was applied.
    shard.deliver([replace(record, timestamp=record.timestamp - 1)])
    await until(lambda: shard.position == 1)
    await shard.close()

    again, durable = place.shard()
    with pytest.raises(ShardClosedError, match="at offset 0 stands another record than the one applied"):
        await again.open()
    await asyncio.to_thread(durable.close, position=None)


async def test_a_draining_shard_commits_outcomes_and_begins_nothing(place: Place) -> None:
    shard, durable = place.shard()
    await shard.open()
    first, second, nap = start_command(Flow, "a", None), start_command(Flow, "b", None), start_command(Nap, "c", None)
    shard.deliver(place.records(first))
    await until(lambda: status_of(durable, first, "waits") == "running" and len(executed) == 1)

    shard.drain()
    shard.deliver(place.records(second, nap))
    gates["a"].set()
    await until(lambda: status_of(durable, first, "waits") == "completed")

    assert not shard.has_room
    assert state_in(durable, second) is None
    assert executed == [f"{first.key}/{first.id}/waits"]
    await shard.close()
    assert shard.position == 1


async def test_a_timer_that_is_due_fires_when_the_log_is_read_and_waits_before(place: Place) -> None:
    shard, durable = place.shard()
    await shard.open()
    nap = start_command(Nap, "a", None)
    shard.deliver(place.records(nap))
    shard.reached(up_to=1, end=2)
    await until(lambda: status_of(durable, nap, "pause") == "waiting")

    shard.reached(up_to=2, end=2)

    await until(lambda: status_of(durable, nap, "done") == "completed")
    await shard.close()


async def test_records_below_the_position_are_dropped(place: Place) -> None:
    shard, durable = place.shard()
    await shard.open()
    nap = start_command(Nap, "a", None)
    records = place.records(nap, start_command(Nap, "b", None))
    shard.deliver(records)
    await until(lambda: shard.position == 2)
    before = state_in(durable, nap)

    shard.deliver(records)
    shard.deliver(place.records(start_command(Nap, "c", None)))
    await until(lambda: shard.position == 3)

    assert before is not None
    await shard.close()


async def test_after_a_lost_worker_a_step_begins_only_when_its_start_is_committed(place: Place) -> None:
    lost = DurableShard(place.origin, 0)
    await asyncio.to_thread(lost.open)
    await asyncio.to_thread(lost.close, position=None)
    shard, durable = place.shard()
    await shard.open()
    commands = [start_command(Flow, name, None) for name in "ab"]
    statuses: list[str | None] = []
    for command in commands:
        gates[command.key.partition("::")[2]] = asyncio.Event()

    # Two cycles, since the first one may hold nothing but what was taken over.
    for command in commands:
        shard.deliver(place.records(command))
        await until(lambda run=f"{command.key}/{command.id}": f"{run}/waits" in executed)  # type: ignore[misc]  # mypy infers no default
        statuses.append(status_of(durable, command, "waits"))

    assert statuses == ["running", "running"]
    await shard.close()


async def test_steps_that_may_have_killed_two_workers_begin_in_turns(place: Place) -> None:
    shard, durable = place.shard()
    await shard.open()
    commands = [start_command(Flow, name, None) for name in "ab"]
    shard.deliver(place.records(*commands))
    await until(lambda: len(executed) == 2)
    for times in (4, 5):
        await lose_worker(place, shard)
        shard, durable = place.shard()
        await shard.open()
        await until(lambda times=times: len(executed) == times)  # type: ignore[misc]  # mypy infers no default

    # One has its turn, of a minute; the other one is held until then.
    states = [state_in(durable, command) for command in commands]
    assert sorted(state.nodes["waits"].held for state in states if state is not None) == [False, True]
    await shard.close()


async def lose_worker(place: Place, shard: Shard) -> None:
    """Ends the steps of a worker, and leaves its partition as if it had not been closed in order."""
    await shard.close()
    place.runner.stop_all_but(lambda _: False)
    lost = DurableShard(place.origin, 0)
    await asyncio.to_thread(lost.open)
    await asyncio.to_thread(lost.close, position=None)


async def test_an_input_whose_records_no_broker_takes_is_refused_and_costs_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    monkeypatch.setattr("hephaestus_stream.runtime.transaction.RECORD_LIMIT", 20_000)
    shard, durable = place.shard()
    await shard.open()
    before, long, after = (start_command(Talk, each, size) for each, size in (("a", 10), ("b", 30_000), ("c", 10)))

    shard.deliver(place.records(before, long, after))
    await asyncio.to_thread(eventually, lambda: shard.position == 3)

    kept = state_in(durable, before), state_in(durable, long), state_in(durable, after)
    assert [state.status if state else None for state in kept] == ["completed", None, "completed"]
    answer = Tables(durable.store, command_retention=timedelta(0)).answer(long.key, long.id)
    assert answer is not None
    assert answer.reason == "too_large"
    assert len(executed) == len(set(executed)) == 3
    await shard.close()


async def test_a_bug_on_one_input_costs_that_input_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    shard, durable = place.shard()
    await shard.open()
    before, poison, after = (start_command(Talk, each, 1) for each in ("a", "b", "c"))

    def stumble(record: Record, header: Header | None = None) -> bytes:
        if isinstance(record, State) and record.run == poison.id:
            raise OverflowError("a bug")
        return encode(record, header)

    monkeypatch.setattr(tables, "encode", stumble)

    shard.deliver(place.records(before, poison, after))
    await asyncio.to_thread(eventually, lambda: shard.position == 3)

    kept = state_in(durable, before), state_in(durable, poison), state_in(durable, after)
    assert [state.status if state else None for state in kept] == ["completed", None, "completed"]
    answer = Tables(durable.store, command_retention=timedelta(0)).answer(poison.key, poison.id)
    assert answer is not None
    assert answer.reason == "engine_error"
    await shard.close()


@pytest.mark.parity(17)
async def test_steps_that_hang_do_not_keep_their_run_from_being_cancelled(
    place: Place, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    place.runner = StepRunner(concurrency=1, threads=1)  # ten attempts fill it
    shard, durable = place.shard()
    await shard.open()
    hanging = [start_command(Flow, str(number), None) for number in range(15)]
    shard.deliver(place.records(*hanging))
    await asyncio.to_thread(eventually, lambda: shard.position == 15)
    assert not place.runner.has_room_for(("Flow", "waits"))

    shard.deliver(place.records(*(cancel_command(Flow, str(number)) for number in range(14))))
    await asyncio.to_thread(eventually, lambda: shard.position == 29)

    states = [state_in(durable, command) for command in hanging]
    assert [state.status for state in states if state] == ["cancelled"] * 14 + ["running"]
    gates.setdefault("14", asyncio.Event()).set()
    await asyncio.to_thread(eventually, lambda: is_completed(durable, hanging[14]))
    await shard.close()


def is_completed(durable: DurableShard, command: Command) -> bool:
    state = state_in(durable, command)
    return state is not None and state.status == "completed"


async def test_what_follows_a_commit_cannot_have_its_inputs_taken_in_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("an exporter of the user's")

    monkeypatch.setattr(ShardTelemetry, "_tell", explode)
    shard, durable = place.shard()
    await shard.open()
    commands = [start_command(Flow, name, None) for name in "ab"]
    for name in "ab":
        gates.setdefault(name, asyncio.Event()).set()

    shard.deliver(place.records(*commands))
    await until(lambda: shard.position == 2)

    assert all(status_of(durable, each, "done") == "completed" for each in commands)
    assert len(executed) == 4
    assert "could not be told" in caplog.text
    await shard.close()


async def test_whatever_fails_after_a_commit_ends_the_worker_and_no_input_is_taken_in_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of the clock")

    shard, _ = place.shard()
    await shard.open()
    gates.setdefault("a", asyncio.Event()).set()
    monkeypatch.setattr(place.clock, "observe", explode)
    command = start_command(Flow, "a", None)
    shard.deliver(place.records(command))
    await until(lambda: bool(place.failures))

    [failure] = place.failures
    assert isinstance(failure, CommitFailedError)
    assert "a bug of the clock" in str(failure)
    assert len(executed) == 2
    monkeypatch.undo()
    place.failures.clear()
    await shard.close()
    # What was committed the next owner finds.
    heir, durable = place.shard()
    await heir.open()
    assert heir.position == 1
    assert is_completed(durable, command)
    await heir.close()


async def test_work_that_no_thread_takes_ends_the_worker_and_no_input_is_taken_in_again(place: Place) -> None:
    shard, _ = place.shard()
    await shard.open()
    gates.setdefault("a", asyncio.Event()).set()
    place.threads.shutdown()
    shard.deliver(place.records(start_command(Flow, "a", None)))
    await until(lambda: bool(place.failures))

    [failure] = place.failures
    assert isinstance(failure, CommitFailedError)
    assert len(executed) == 2
    place.failures.clear()


async def test_three_instances_in_a_row_that_the_engine_fails_on_stop_the_shard_and_are_not_halted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard, durable = place.shard()
    await shard.open()
    before = start_command(Nap, "before", None)
    shard.deliver(place.records(before))
    await until(lambda: status_of(durable, before, "done") == "completed")
    bug = Bug(monkeypatch)
    doomed = [start_command(Nap, name, None) for name in "abc"]

    for position, command in enumerate(doomed[:2], start=2):
        shard.deliver(place.records(command))
        await until(lambda position=position: shard.position == position)  # type: ignore[misc]  # mypy infers no default
    shard.deliver(place.records(doomed[2]))
    await until(lambda: bool(place.failures))

    [failure] = place.failures
    assert isinstance(failure, EngineBrokenError)
    assert "nap::a, nap::b, nap::c" in str(failure)
    assert shard.position == 3
    place.failures.clear()
    await shard.close()

    # A restart does not begin to count anew: the next one fails at once, and is not refused either.
    again, durable = place.shard()
    await again.open()
    again.deliver([CommandRecord(3, 0, doomed[2].key.encode(), encode_command(doomed[2]))])
    await until(lambda: bool(place.failures))
    assert again.position == 3
    place.failures.clear()
    await again.close()

    # A release without the bug goes on where the engine failed.
    bug.mend()
    mended, durable = place.shard()
    await mended.open()
    mended.deliver([CommandRecord(3, 0, doomed[2].key.encode(), encode_command(doomed[2]))])
    await until(lambda: state_in(durable, doomed[2]) is not None)
    await mended.close()


async def test_an_instance_that_fails_again_and_again_does_not_stop_its_shard(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard, _ = place.shard()
    await shard.open()
    Bug(monkeypatch)

    for position in range(1, 6):
        shard.deliver(place.records(start_command(Nap, "a", None)))
        await until(lambda position=position: shard.position == position)  # type: ignore[misc]  # as above

    await shard.close()


async def test_an_instance_that_succeeds_ends_a_row_of_failures(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shard, durable = place.shard()
    await shard.open()
    bug = Bug(monkeypatch)

    for position, name in enumerate("abxcdyef", start=1):
        bug.mend() if name in "xy" else bug.spoil()
        nap = start_command(Nap, name, None)
        shard.deliver(place.records(nap))
        await until(lambda position=position: shard.position == position)  # type: ignore[misc]  # as above
        if name in "xy":  # its timer is an input as well
            await until(lambda nap=nap: status_of(durable, nap, "done") == "completed")  # type: ignore[misc]  # as above

    await shard.close()


class Bug:
    """The engine fails on each input."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.spoil()

    def spoil(self) -> None:
        def fail(*_: object, **__: object) -> Decision:
            raise ZeroDivisionError("a bug")

        self._monkeypatch.setattr(execution, "apply", fail)

    def mend(self) -> None:
        self._monkeypatch.setattr(execution, "apply", apply)
