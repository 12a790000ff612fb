"""Who gets an answer, what is repeated, and when the client gives up; without Kafka."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from hephaestus_stream.client import pending as pendings
from hephaestus_stream.client.pending import Answer, Pending, PendingCommands
from hephaestus_stream.errors import ClientBusyError
from hephaestus_stream.wire.output import Reply


def a_pending(
    name: str = "one", *, key: bytes = b"k", deadline: float = 30, repeat_at: float = 5, delivered: bool = True
) -> Pending:
    pending = Pending(name, key, b"v", deadline=deadline, repeat_at=repeat_at, pause=10, reply=Future[Reply]())
    pending.is_delivered = delivered
    return pending


def answers(*ids: str, key: bytes | None = b"k") -> list[Answer[str]]:
    return [Answer(each, key, f"answer to {each}") for each in ids]


def test_repetitions_come_after_ever_longer_pauses_until_the_deadline() -> None:
    commands = PendingCommands()
    one = a_pending(deadline=40)
    commands.add(one)
    repeated = [now for now in range(50) if commands.overdue(now)[1]]
    assert repeated == [5, 15, 35]
    assert one.is_done


def test_what_the_broker_has_not_yet_confirmed_is_not_repeated() -> None:
    commands = PendingCommands()
    commands.add(a_pending(delivered=False))
    assert [commands.overdue(now)[1] for now in range(29)] == [[]] * 29


def test_the_deadline_takes_a_command_out_once() -> None:
    commands = PendingCommands()
    one = a_pending()
    commands.add(one)
    assert commands.overdue(30) == ([one], [])
    assert commands.overdue(31) == ([], [])
    assert commands.answered(answers("one")) == []


def test_an_answer_takes_out_all_that_wait_for_its_command() -> None:
    commands = PendingCommands()
    twins = [a_pending(), a_pending()]
    for twin in twins:
        commands.add(twin)
    commands.add(a_pending("another"))
    assert commands.awaited(["one", "a stranger's"]) == {"one"}
    assert commands.answered(answers("one", "a stranger's")) == [(twin, "answer to one") for twin in twins]
    assert commands.answered(answers("one")) == []
    assert commands.awaited(["one"]) == set()


def test_an_answer_is_for_its_key_where_two_commands_have_the_same_id() -> None:
    commands = PendingCommands()
    mine, other = a_pending(key=b"k::1"), a_pending(key=b"k::2")
    commands.add(mine)
    commands.add(other)
    assert [pending for pending, _ in commands.answered(answers("one", key=b"k::2"))] == [other]
    assert not mine.is_done
    assert commands.answered(answers("one", key=b"k::3")) == []


def test_an_answer_without_a_key_is_for_its_id_where_that_has_one_key_only() -> None:
    commands = PendingCommands()
    mine, other = a_pending(key=b"k::1"), a_pending(key=b"k::2")
    commands.add(mine)
    commands.add(other)
    assert commands.answered(answers("one", key=None)) == []
    assert commands.take(mine)
    assert commands.answered(answers("one", key=None)) == [(other, "answer to one")]


def test_a_command_that_nobody_waits_for_any_more_is_dropped() -> None:
    commands = PendingCommands()
    one = a_pending()
    commands.add(one)
    assert one.reply is not None
    one.reply.cancel()
    assert commands.overdue(5) == ([], [])
    assert one.is_done


def test_too_many_at_once_are_refused_until_some_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pendings, "MAX_UNDER_WAY", 2)
    commands = PendingCommands()
    commands.add(a_pending("one"))
    commands.add(a_pending("two"))
    with pytest.raises(ClientBusyError, match="await some of them"):
        commands.add(a_pending("three"))
    commands.answered(answers("one"))
    commands.add(a_pending("three"))


def test_answered_commands_do_not_pile_up_in_the_schedule() -> None:
    commands = PendingCommands()
    for number in range(10_000):
        commands.add(a_pending(str(number)))
        commands.answered(answers(str(number)))
    assert len(commands._due) <= 2_000  # pyright: ignore[reportPrivateUsage]  # nobody else can see a leak
