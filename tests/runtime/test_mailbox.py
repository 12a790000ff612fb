from __future__ import annotations

import asyncio

import pytest

from hephaestus_stream.core.input import StepEmitted
from hephaestus_stream.core.state import Reported
from hephaestus_stream.cycle.attempt import AttemptId
from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, TakenOver
from hephaestus_stream.runtime.mailbox import MAX_BYTES, MAX_COMMANDS, Mailbox

ENDED = AttemptEnded(AttemptId("order::1", "run", "charge", 1), StepEmitted("charge", 1, Reported("charged")))
LOST = TakenOver("order::1", "run", worker_lost=True)
LONG = 60.0


def commands(count: int, *, size: int = 1) -> list[CommandRecord]:
    return [CommandRecord(offset, 0, None, b"x" * size) for offset in range(count)]


def filled() -> Mailbox:
    mailbox = Mailbox()
    mailbox.put_commands(commands(2))
    mailbox.put_taken_over([LOST])
    mailbox.put_outcome(ENDED)
    return mailbox


def test_outcomes_come_first_then_what_was_taken_over_then_commands() -> None:
    assert filled().take(10) == [ENDED, LOST, *commands(2)]


def test_no_more_is_taken_than_asked_for_and_the_rest_stays_in_order() -> None:
    mailbox = filled()

    assert mailbox.take(3) == [ENDED, LOST, commands(2)[0]]
    assert mailbox.take(3) == [commands(2)[1]]
    assert mailbox.take(3) == []


def test_a_draining_shard_takes_outcomes_only() -> None:
    mailbox = filled()

    assert mailbox.take(10, outcomes_only=True) == [ENDED]
    assert mailbox.has_commands
    assert mailbox.take(10) == [LOST, *commands(2)]


def test_large_commands_are_spread_over_several_cycles() -> None:
    mailbox = Mailbox()
    mailbox.put_commands(commands(9, size=MAX_BYTES // 4))

    assert [len(mailbox.take(100)) for _ in range(4)] == [4, 4, 1, 0]


def test_the_partition_is_not_read_while_many_commands_wait() -> None:
    mailbox = Mailbox()
    mailbox.put_commands(commands(MAX_COMMANDS - 1))
    before = mailbox.has_room
    mailbox.put_commands(commands(1))
    after = mailbox.has_room
    mailbox.take(1)

    assert (before, after, mailbox.has_room) == (True, False, True)


def test_the_partition_is_not_read_while_large_commands_wait() -> None:
    mailbox = Mailbox()
    mailbox.put_commands(commands(3, size=MAX_BYTES // 4))
    before = mailbox.has_room
    mailbox.put_commands(commands(1, size=MAX_BYTES // 4))
    after = mailbox.has_room
    mailbox.take(1)

    assert (before, after, mailbox.has_room) == (True, False, True)


def test_what_a_cycle_has_left_comes_first_and_in_its_order() -> None:
    mailbox = filled()
    taken = mailbox.take(10)
    mailbox.put_commands([CommandRecord(7, 0, None, b"x")])

    mailbox.put_back(taken)

    assert mailbox.take(10) == [*taken, CommandRecord(7, 0, None, b"x")]


async def test_what_was_left_wakes_the_shard() -> None:
    mailbox = filled()
    mailbox.put_back(mailbox.take(10)[-1:])

    await asyncio.wait_for(mailbox.wait(LONG), 5)


def test_what_was_left_counts_as_waiting() -> None:
    mailbox = Mailbox()
    mailbox.put_commands(commands(4, size=MAX_BYTES // 4))
    mailbox.put_back(mailbox.take(10))

    assert not mailbox.has_room


@pytest.mark.parametrize("what", ["outcome", "taken over", "commands", "wake"])
async def test_a_wait_ends_when_something_comes(what: str) -> None:
    mailbox = Mailbox()
    mailbox.take(1)
    waiting = asyncio.create_task(mailbox.wait(LONG))
    await asyncio.sleep(0)
    assert not waiting.done()

    match what:
        case "outcome":
            mailbox.put_outcome(ENDED)
        case "taken over":
            mailbox.put_taken_over([LOST])
        case "commands":
            mailbox.put_commands(commands(1))
        case _:
            mailbox.wake()

    await asyncio.wait_for(waiting, 5)


async def test_nobody_waits_while_something_is_left() -> None:
    mailbox = filled()
    mailbox.take(1)

    await asyncio.wait_for(mailbox.wait(LONG), 5)


async def test_what_a_draining_shard_leaves_does_not_keep_it_awake() -> None:
    mailbox = filled()
    mailbox.take(10, outcomes_only=True)

    waiting = asyncio.create_task(mailbox.wait(LONG))
    await asyncio.sleep(0)

    assert not waiting.done()
    waiting.cancel()


async def test_a_wait_ends_when_its_time_is_over() -> None:
    await asyncio.wait_for(Mailbox().wait(0.001), 5)


def test_one_command_of_each_key_is_taken_in_their_order() -> None:
    mailbox = Mailbox()
    mailbox.put_commands(
        [CommandRecord(offset, 0, key, b"", ()) for offset, key in enumerate((b"a", b"b", b"a", b"c"))]
    )

    taken = [mailbox.take(10, one_of_a_key=True) for _ in range(2)]

    assert [[source.offset for source in batch if isinstance(source, CommandRecord)] for batch in taken] == [
        [0, 1],
        [2, 3],
    ]


def test_no_command_is_taken_beside_a_run_that_is_taken_over() -> None:
    mailbox = Mailbox()
    mailbox.put_commands([CommandRecord(0, 0, b"a", b"", ())])
    mailbox.put_taken_over([TakenOver("a", "run", worker_lost=True)])

    taken = [mailbox.take(10, one_of_a_key=True) for _ in range(2)]

    assert [type(source) for batch in taken for source in batch] == [TakenOver, CommandRecord]
    assert [len(batch) for batch in taken] == [1, 1]
