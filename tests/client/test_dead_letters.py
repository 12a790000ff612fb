"""Dead letters: what a client reads of them, and what it would send again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from hephaestus_stream.client.dead_letters import Selection, read_dead_letter, read_dead_letters
from hephaestus_stream.client.letter import FOREIGN, Letter
from hephaestus_stream.errors import DeadLetterNotFoundError, NotReplayableError, TopicMismatchError
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.topics import Topics

PARTITIONS = 3
NOW = datetime.now(UTC).replace(microsecond=0)
WHY = DeadLetter("not_found", "no such run", "t.commands", partition=1, offset=7, at=NOW)
CANCEL = {"type": "cancel", "id": "c-1", "workflow": "OrderFlow", "key": "orderid::abc"}


def letter(value: object = CANCEL, *, key: bytes | None = b"orderid::abc", why: DeadLetter = WHY) -> Letter:
    return Letter(2, 17, key, value if isinstance(value, bytes | None) else json.dumps(value).encode(), why)


def test_a_letter_says_what_can_be_read_of_it() -> None:
    damaged = letter({"type": "start", "workflow": 3, "key": "orderid::x", "surprise": True})

    assert letter().content == ("cancel", "OrderFlow", "orderid::abc", "c-1")
    assert damaged.content == ("start", None, "orderid::x", None)
    assert (damaged.place, damaged.business_key) == ("2:17", "orderid::x")


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[]", b"[" * 100_000, b"3"])
def test_a_letter_that_is_no_json_object_is_known_by_its_record(value: bytes | None) -> None:
    assert letter(value).content == (None, None, None, None)
    assert letter(value).business_key == "orderid::abc"
    assert letter(value, key=b"\xff").business_key is None


def test_a_command_is_replayed_byte_for_byte_with_its_own_id_and_key() -> None:
    refused = letter(json.dumps(CANCEL, indent=3).encode(), key=b"another")

    assert refused.replayable() == ("c-1", "orderid::abc", refused.value)


def test_what_a_newer_worker_may_read_is_replayed() -> None:
    assert letter(CANCEL | {"schema": 99}).replayable().id == "c-1"
    assert letter(CANCEL | {"because": "of a later release"}).replayable().id == "c-1"


@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (letter(b"\xff"), "cannot be read"),
        (letter(None), "cannot be read"),
        (letter(CANCEL | {"key": "no key"}), "cannot be read"),
        (letter(CANCEL | {"id": ""}), "cannot be read"),
        (letter(why=replace(WHY, size=2_000_000)), r"had 2,000,000 bytes, .* t.commands 1:7"),
        (letter(why=replace(WHY, offset=-1)), "no command"),
        (letter(why=replace(WHY, reason=FOREIGN)), "not written by the engine"),
    ],
    ids=["bytes", "no value", "no key", "no id", "not whole", "an outcome", "foreign"],
)
def test_what_is_no_whole_command_is_not_replayed_and_says_why(unfit: Letter, why: str) -> None:
    with pytest.raises(NotReplayableError, match=f"2:17 .*{why}"):
        unfit.replayable()


def test_a_mended_command_takes_the_place_of_the_letters_own_under_its_id() -> None:
    broken = letter(CANCEL | {"surprise": 1}, why=replace(WHY, size=2_000_000))
    assert broken.mended(json.dumps(CANCEL).encode()).replayable().id == CANCEL["id"]
    assert letter(None).mended(json.dumps(CANCEL | {"id": "mine"}).encode()).replayable().id == "mine"
    with pytest.raises(NotReplayableError, match="has the id 'c-1', and what is to be sent for it 'other': keep"):
        broken.mended(json.dumps(CANCEL | {"id": "other"}).encode())
    with pytest.raises(NotReplayableError, match="what is to be sent for 2:17 is no command"):
        broken.mended(b'{"id": "c-1"}')
    with pytest.raises(NotReplayableError, match="no command: the run"):
        letter(CANCEL, why=replace(WHY, offset=-1)).mended(json.dumps(CANCEL).encode()).replayable()


def test_a_selection_fits_reason_key_and_time() -> None:
    assert Selection().fits(letter())
    assert Selection(("settled", "not_found"), "orderid::abc", NOW).fits(letter())
    assert not Selection(("settled",)).fits(letter())
    assert not Selection(key="orderid::ab").fits(letter())
    assert not Selection(since=NOW + timedelta(seconds=1)).fits(letter())


def test_all_letters_of_a_namespace_are_read_and_each_is_found_by_its_place(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    producer, topic = Producer(connection.librdkafka()), Topics(connection.namespace).dead_letters
    for number in range(2_500):
        why = replace(WHY, reason="old" if number < 1_500 else "new", offset=number)
        producer.produce(topic, b"%d" % number, b"k", number % PARTITIONS, headers=[*why.to_headers()])
    producer.produce(topic, b"not the engine's", b"k", 0)
    assert producer.flush(10) == 0
    told: list[int] = []

    found = list(read_dead_letters(connection, Selection(), on_progress=told.append))
    new = list(read_dead_letters(connection, Selection(("new",), since=NOW - timedelta(minutes=1))))
    later = list(read_dead_letters(connection, Selection(since=NOW + timedelta(days=1))))

    assert sorted(each.why.offset for each in found if each.why.reason != FOREIGN) == list(range(2_500))
    assert [each.value for each in found if each.why.reason == FOREIGN] == [b"not the engine's"]
    assert (len(new), later, told) == (1_000, [], [1_000, 2_000])
    for partition in range(PARTITIONS):
        offsets = [each.offset for each in found if each.partition == partition]
        assert offsets == sorted(offsets)
    assert read_dead_letter(connection, 2, 5) == next(each for each in found if each.place == "2:5")
    for partition, offset in ((0, 10_000), (PARTITIONS, 0)):
        with pytest.raises(DeadLetterNotFoundError):
            read_dead_letter(connection, partition, offset)


def test_a_namespace_without_topics_is_told(connection: Connection) -> None:
    with pytest.raises(TopicMismatchError, match="hephaestus topics create"):
        list(read_dead_letters(connection, Selection()))
