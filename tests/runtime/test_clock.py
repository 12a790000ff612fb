"""A worker whose clock is wrong does nothing by it: a real broker, and a wall clock that the test sets."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hephaestus_stream import Done, Wait, WaitForEvent, Workflow
from hephaestus_stream.cycle.index import HISTORY
from hephaestus_stream.cycle.tables import Tables, next_timer
from hephaestus_stream.runtime.clock import Observation, WorkerClock, uptime
from hephaestus_stream.runtime.pace import Pace
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import resume_command, start_command
from tests.runtime.test_shard import Place, place_of, state_in, status_of, until

HOUR = timedelta(hours=1)


class Short(Workflow[None], key="short"):
    """A timer that is due at once."""

    pause = Wait(timedelta(0))
    done = Done()
    start = pause
    transitions = (pause.elapsed.to(done),)


class Long(Workflow[None], key="long"):
    """A timer that is due in half an hour."""

    pause = Wait(HOUR / 2)
    done = Done()
    start = pause
    transitions = (pause.elapsed.to(done),)


class Asks(Workflow[None], key="asks"):
    """Two events, one after the other."""

    first = WaitForEvent(int)
    second = WaitForEvent(int)
    done = Done()
    start = first
    transitions = (first.received.to(second), second.received.to(done))


class Wall:
    """A clock on the wall that somebody sets."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def place(connection: Connection, tmp_path: Path, wall: Wall) -> AsyncGenerator[Place]:
    async with place_of(connection, tmp_path, (Short, Long, Asks)) as found:
        found.clock = WorkerClock(wall)
        yield found


async def test_a_clock_that_jumps_ahead_fires_no_timer_and_timers_go_on_when_it_is_right_again(
    place: Place, wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shard, durable = place.shard()
    await shard.open()
    long, short, later = (
        start_command(Long, "a", None),
        start_command(Short, "b", None),
        start_command(Short, "c", None),
    )
    shard.deliver(place.records(long))
    await until(lambda: status_of(durable, long, "pause") == "waiting")

    wall.ahead = HOUR
    # A cycle and its commit come after the jump, and neither fires what seems to be due.
    shard.deliver(place.records(short))
    await until(lambda: status_of(durable, short, "pause") == "waiting")
    shard.deliver(place.records(later))
    await until(lambda: shard.position == 3)
    assert status_of(durable, long, "pause") == "waiting"
    assert status_of(durable, short, "pause") == "waiting"
    assert place.clock.is_off
    assert [record.levelno for record in caplog.records if "ahead of the brokers'" in record.message] == [
        logging.WARNING
    ]

    wall.ahead = timedelta(0)
    fresh = start_command(Short, "d", None)
    shard.deliver(place.records(fresh))
    await until(lambda: status_of(durable, fresh, "done") == "completed")
    assert "clock is right again" in caplog.text
    assert status_of(durable, long, "pause") == "waiting"
    await shard.close()


async def test_a_timer_is_set_by_the_clock_as_it_is_when_the_shard_has_rested(
    place: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rest(_pace: Pace, _now: float, *, waiting: int) -> float:  # noqa: ARG001 - the method's arguments
        wall.ahead = timedelta(0)
        return 0.0

    shard, durable = place.shard()
    wall.ahead = HOUR
    monkeypatch.setattr(Pace, "rest", rest)
    await shard.open()
    short = start_command(Short, "a", None)
    wall.ahead = HOUR
    shard.deliver(place.records(short))
    await until(lambda: status_of(durable, short, "done") == "completed")
    await shard.close()


async def test_a_worker_that_begins_with_a_clock_ahead_fires_no_timer_of_its_forerunner(
    place: Place, wall: Wall
) -> None:
    shard, durable = place.shard()
    await shard.open()
    long = start_command(Long, "a", None)
    shard.deliver(place.records(long))
    await until(lambda: status_of(durable, long, "pause") == "waiting")
    await shard.close()

    wall.ahead = HOUR
    place.clock = WorkerClock(wall)
    heir, durable = place.shard()
    await heir.open()
    asks = start_command(Asks, "b", None)
    heir.deliver(place.records(asks))
    await until(lambda: status_of(durable, asks, "first") == "waiting")

    assert status_of(durable, long, "pause") == "waiting"
    await heir.close()


async def test_a_clock_that_is_behind_sets_no_timer_too_early(place: Place, wall: Wall) -> None:
    shard, durable = place.shard()
    await shard.open()
    wall.ahead = -HOUR
    before = datetime.now(UTC)
    long = start_command(Long, "a", None)
    shard.deliver(place.records(long))
    await until(lambda: status_of(durable, long, "pause") == "waiting")

    due_at = next_timer(durable.store)

    assert due_at is not None
    assert due_at >= before + HOUR / 2 - timedelta(seconds=1)
    assert place.clock.is_off
    await shard.close()


@pytest.mark.parametrize("jump", [-HOUR, timedelta(seconds=-4)])
async def test_times_in_the_history_never_decrease_when_the_clock_goes_back(
    place: Place, wall: Wall, jump: timedelta
) -> None:
    shard, durable = place.shard()
    await shard.open()
    asks = start_command(Asks, "a", None)
    shard.deliver(place.records(asks))
    await until(lambda: status_of(durable, asks, "first") == "waiting")

    wall.ahead = jump
    shard.deliver(place.records(resume_command(Asks, "a", Asks.first.received, 1)))
    await until(lambda: status_of(durable, asks, "second") == "waiting")
    wall.ahead = -jump
    shard.deliver(place.records(resume_command(Asks, "a", Asks.second.received, 2)))
    await until(lambda: status_of(durable, asks, "done") == "completed")

    times = [event["at"] for _, value in durable.store.scan(HISTORY, limit=100) for event in json.loads(value)]
    assert len(times) > 5
    assert times == sorted(times)
    await shard.close()


async def test_nothing_expires_while_the_clock_is_ahead(place: Place, wall: Wall) -> None:
    shard, durable = place.shard()
    await shard.open()
    short = start_command(Short, "a", None)
    shard.deliver(place.records(short))
    await until(lambda: status_of(durable, short, "done") == "completed")

    wall.ahead = timedelta(days=365)
    for position, name in enumerate("bcd", start=2):
        shard.deliver(place.records(start_command(Asks, name, None)))
        await until(lambda position=position: shard.position == position)  # type: ignore[misc]  # mypy infers no default

    assert state_in(durable, short) is not None
    assert Tables(durable.store, command_retention=timedelta(0)).answer(short.key, short.id) is not None
    await shard.close()


def test_a_clock_is_judged_by_the_moments_around_a_commit_alone() -> None:
    wall = Wall()
    clock = WorkerClock(wall)
    assert not clock.is_off

    # The broker's stamp may be of any moment of a commit that took a minute.
    clock.observe(Observation(datetime.now(UTC) - timedelta(seconds=30), sent=uptime() - 60, reported=uptime()))
    assert clock.difference == timedelta(0)

    wall.ahead = timedelta(seconds=50)
    assert timedelta(seconds=19) < clock.difference < timedelta(seconds=21)
    assert clock.now() >= datetime.now(UTC) + timedelta(seconds=49)

    wall.ahead = timedelta(seconds=-50)
    assert timedelta(seconds=-21) < clock.difference < timedelta(seconds=-19)
    assert clock.now() >= datetime.now(UTC) - timedelta(seconds=31)


def test_a_commit_that_took_a_minute_does_not_hide_a_jump_that_a_former_one_shows() -> None:
    wall = Wall()
    clock = WorkerClock(wall)
    clock.observe(Observation(datetime.now(UTC), sent=uptime(), reported=uptime()))
    wall.ahead = timedelta(seconds=40)
    assert clock.is_off

    # By this one alone the brokers' clocks may be up to a minute ahead.
    clock.observe(Observation(datetime.now(UTC), sent=uptime() - 60, reported=uptime()))
    assert clock.is_off

    wall.ahead = timedelta(0)
    assert not clock.is_off


@pytest.mark.parametrize("width", [0, 60], ids=["prompt", "long"])
def test_a_commit_that_contradicts_what_was_known_shows_that_the_brokers_clock_was_set(width: float) -> None:
    clock = WorkerClock()
    clock.observe(Observation(datetime.now(UTC) - HOUR, sent=uptime(), reported=uptime()))
    assert clock.is_off

    clock.observe(Observation(datetime.now(UTC), sent=uptime() - width, reported=uptime()))

    assert not clock.is_off


def test_what_was_known_is_worth_less_from_minute_to_minute() -> None:
    long_ago = Observation(datetime.now(UTC), sent=0.0, reported=0.001)
    now = long_ago.reported + 600
    wide = Observation(long_ago.appended + timedelta(seconds=600), sent=now - 0.3, reported=now)

    assert wide.replaces(long_ago)
    assert not wide.replaces(Observation(wide.appended - timedelta(seconds=1), sent=now - 1.1, reported=now - 1))
