"""What is kept, page by page."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from hephaestus_stream.cycle.record import AnswerRecord, TimerRecord
from hephaestus_stream.cycle.tables import Tables, timer_place
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Chain, Order
from tests.cycle.partition import BEGIN, COMMAND_RETENTION, Partition


def timer(number: int) -> TimerRecord:
    return TimerRecord("key::1", "run", f"node{number}", 1, "wait", BEGIN + timedelta(seconds=number))


def test_timers_that_are_held_do_not_keep_others_from_firing() -> None:
    partition = Partition()
    tables = Tables(partition.store, command_retention=COMMAND_RETENTION)
    for number in range(30):
        tables.set_timer(timer(number))
    partition.store.write(tables.changes())
    held = {timer_place(timer(number)) for number in range(25)}

    due = Tables(partition.store, command_retention=COMMAND_RETENTION).due_timers(
        BEGIN + timedelta(seconds=27), limit=10, held=held
    )

    assert due == [timer(25), timer(26), timer(27)]


async def test_an_answer_that_expires_first_takes_no_other_answer_of_its_key_along() -> None:
    partition = Partition()
    first = start_command(Chain, "a", Order(), command_id="first")
    await partition.send(first)
    partition.now += timedelta(days=8)  # the run is no longer kept
    await partition.cycle()
    tables = Tables(partition.store, command_retention=timedelta(days=300))
    tables.put_key_record(first.key, tables.key_record(first.key))
    tables.put_answer(first.key, "long", AnswerRecord("applied", None, None, "r", 1, partition.now), number=1)
    partition.store.write(tables.changes())
    tables = Tables(partition.store, command_retention=timedelta(minutes=1))
    record = tables.key_record(first.key)
    tables.put_key_record(first.key, type(record)(commands=2))
    tables.put_answer(first.key, "short", AnswerRecord("applied", None, None, "r", 2, partition.now), number=2)
    partition.store.write(tables.changes())

    partition.now += timedelta(hours=1)
    await partition.cycle()

    after = Tables(partition.store, command_retention=COMMAND_RETENTION)
    assert after.answer(first.key, "short") is None
    assert after.answer(first.key, "long") is not None
    assert after.key_record(first.key).commands == 2


async def test_the_history_of_one_cycle_is_split_before_a_record_grows_too_large() -> None:
    partition = Partition()
    command = start_command(Chain, "a", Order())
    await partition.send(command)
    state = partition.state(command.key, command.id)
    tables = Tables(partition.store, command_retention=COMMAND_RETENTION)
    for sequence in range(101, 111):
        tables.add_history(state, sequence, b'"%s"' % (b"x" * 50_000))

    records = [value for place, value in tables.changes().items() if place.startswith(b"h")]

    assert len(records) == 4
    assert all(len(value or b"") <= 201_000 for value in records)


@pytest.mark.parametrize("kept", [timedelta(days=9), None], ids=["ended again, later", "live again"])
async def test_what_is_kept_for_longer_than_was_once_said_does_not_leave_when_that_is_over(
    kept: timedelta | None,
) -> None:
    partition = Partition()
    command = start_command(Chain, "a", Order())
    await partition.send(command)
    state = partition.state(command.key, command.id)
    assert state.finished_at is not None
    later = None if kept is None else state.finished_at + kept
    tables = Tables(partition.store, command_retention=COMMAND_RETENTION)
    tables.put_state(msgspec.structs.replace(state, finished_at=later), retention=timedelta(0))
    partition.store.write(tables.changes())
    assert partition.tables().count("x") == (2 if kept is None else 3)  # of the answer, too

    tables = Tables(partition.store, command_retention=COMMAND_RETENTION)
    looked_at = tables.expire(BEGIN + timedelta(days=3), limit=10)
    partition.store.write(tables.changes())

    assert looked_at == 2
    assert partition.state(command.key, command.id).finished_at == later
    assert partition.kept_history(command.id) != []
    assert partition.tables().count("x") == (0 if kept is None else 1)


async def test_an_answer_that_was_given_again_is_kept_from_then_on() -> None:
    partition = Partition()
    command = start_command(Chain, "a", Order())
    await partition.send(command)
    tables = Tables(partition.store, command_retention=COMMAND_RETENTION)
    again = AnswerRecord("applied", None, None, command.id, 1, BEGIN + COMMAND_RETENTION / 2)
    tables.put_answer(command.key, command.id, again, number=1)
    partition.store.write(tables.changes())

    tables = Tables(partition.store, command_retention=COMMAND_RETENTION)
    tables.expire(BEGIN + COMMAND_RETENTION * 1.2, limit=10)
    partition.store.write(tables.changes())

    assert Tables(partition.store, command_retention=COMMAND_RETENTION).answer(command.key, command.id) == again
