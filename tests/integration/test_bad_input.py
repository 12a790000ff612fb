from __future__ import annotations

import json

import pytest

from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import resume_command, start_command
from tests.integration.checker import Topics, check_answers, check_everything
from tests.integration.flows import Held, Journey, Nap, Stars, Trip
from tests.integration.workers import ASKS, PARTITIONS, Publisher, Workers

KEY = "trip::bad"


def command(**fields: object) -> bytes:
    usual: dict[str, object] = {"type": "start", "id": "c-1", "workflow": "Journey", "key": KEY, "input": {}}
    return json.dumps({name: value for name, value in (usual | fields).items() if value is not None}).encode()


def event(**fields: object) -> bytes:
    return command(**{"type": "resume", "input": None, "event": "received", "payload": {"stars": 5}} | fields)


# Each twice: with somebody who asks, and without.
REFUSED = {
    "unknown_workflow": command(workflow="Jorney"),
    "unknown_version": command(version=99),
    "invalid_key": command(workflow="Held"),
    "invalid_payload": command(input={"legs": 0}),
    "too_large": command(input={"legs": 1, "note": "x" * 500_000}),
    "unsupported_schema": command(schema=99),
    "undecodable": command(surprise=True),
    "not_found": event(),
}
UNREADABLE = (b"\xff\x00 no JSON", b"[]", None, b"")


def test_bad_input_is_answered_or_put_aside_and_everything_else_goes_on(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started()
    live = start_command(Held, "live", Trip())
    publisher.send([live])
    for number, (reason, value) in enumerate(REFUSED.items()):
        publisher.send_raw(value.replace(b"c-1", f"asks-{reason}".encode()), key=KEY.encode(), headers=ASKS)
        headers = [("reply_partition", b"999")] if number % 2 else []
        publisher.send_raw(value.replace(b"c-1", f"mute-{reason}".encode()), key=KEY.encode(), headers=headers)
    for unreadable in UNREADABLE:
        publisher.send_raw(unreadable, key=b"\x00any key", headers=[("reply_partition", b"\xff"), ("own", b"\x01")])
    # Larger than any record of ours may be.
    publisher.send_raw(b"\xff" * 950_000, key=b"?" * 40_000)
    unknown_node = event(id="asks-node", workflow="Held", key="held::live", node="holt", event="released")
    publisher.send_raw(unknown_node, key=b"held::live", headers=ASKS)
    last = start_command(Held, "last", Trip())
    publisher.send([last])
    workers.until(lambda: len(check_answers(topics)) == len(REFUSED) + 3, of=[worker])
    workers.release("live")
    workers.release("last")

    workers.until(lambda: len(topics.records("completions")) == 2, of=[worker])

    answers = check_answers(topics)
    assert {name: answer["reason"] for name, answer in answers.items() if name.startswith("asks-")} == {
        **{f"asks-{reason}": reason for reason in REFUSED},
        "asks-node": "unknown_node",
    }
    assert all(answer["message"] for answer in answers.values() if not answer["accepted"])
    letters = topics.records("dead-letters")
    assert len(letters) == len(REFUSED) + len(UNREADABLE) + 1
    muted = {f"mute-{reason}": reason for reason in REFUSED}
    known = {letter.document["id"]: letter for letter in letters if letter.value and letter.value[:1] == b"{"}
    assert {name: letter.headers["reason"].decode() for name, letter in known.items()} == muted
    assert all(letter.value == REFUSED[muted[name]].replace(b"c-1", name.encode()) for name, letter in known.items())
    others = [letter for letter in letters if letter not in known.values()]
    assert {letter.value for letter in others} >= set(UNREADABLE)
    assert len(others) == len(UNREADABLE) + 1
    assert {letter.headers["reason"] for letter in others} == {b"undecodable"}
    assert worker.stop() == 0
    check_everything(topics, runs={live.id, last.id})


@pytest.mark.parity(15)
def test_a_command_in_a_wrong_partition_is_applied_once_where_it_belongs(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started()
    start = start_command(Journey, "lost", Trip())
    end = resume_command(Journey, "lost", Journey.review.received, Stars(stars=5))
    right = partition_for(start.key.encode(), PARTITIONS)
    wrong = (right + 1) % PARTITIONS
    for each in (start, start, end):
        publisher.send_raw(
            each.model_dump_json(by_alias=True, exclude_none=True).encode(), key=b"x", partition=wrong, headers=ASKS
        )
    large = start_command(Journey, "lost", Trip()).model_dump(by_alias=True, exclude_none=True)
    publisher.send_raw(
        json.dumps(large | {"id": "large", "metadata": {"x": "x" * 930_000}}).encode(),
        key=b"x",
        partition=wrong,
        headers=ASKS,
    )

    workers.until(lambda: len(topics.records("completions")) == 1, of=[worker])
    workers.until(lambda: len(check_answers(topics)) == 3, of=[worker])

    answers = check_answers(topics)
    assert {answers[start.id]["partition"], answers[end.id]["partition"]} == {right}
    assert answers["large"]["reason"] == "too_large"
    assert worker.stop() == 0
    check_everything(topics, runs={start.id})


def test_a_command_that_was_forwarded_to_a_wrong_partition_is_put_aside(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started()
    start = start_command(Journey, "lost", Trip())
    wrong = (partition_for(start.key.encode(), PARTITIONS) + 1) % PARTITIONS
    value = start.model_dump_json(by_alias=True, exclude_none=True).encode()

    publisher.send_raw(value, key=b"x", partition=wrong, headers=[("forwarded", b"2")])

    workers.until(lambda: len(topics.records("dead-letters")) == 1, of=[worker])
    [letter] = topics.records("dead-letters")
    assert (letter.value, letter.headers["reason"]) == (value, b"misrouted")


def odd(**fields: object) -> bytes:
    return command(**{"type": "cancel", "input": None, "workflow": "Held"} | fields)


def with_bytes(old: bytes, new: bytes) -> bytes:
    return odd().replace(old, new)


# What stands in the place of <id> is answered; where nobody can read an id, the record is a dead letter.
ANSWERED = {
    "a schema below one": odd(schema=-1),
    "a schema that is text": odd(schema="1"),
    "a fraction as schema": odd(schema=1.5),
    "a huge schema": odd(schema=10**30),
    "a huge version": odd(version=10**30),
    "a NUL in the key": odd(key="trip::\0"),
    "a key without a prefix": odd(key="bad"),
    "a key of 900 kB": odd(key=f"trip::{'x' * 900_000}"),
    "letters of the right and of the left": odd(key="trip::\u202ebad"),
    "a run of 10 kB": odd(run="x" * 10_000),
    "a reason of 10 kB": odd(reason="x" * 10_000),
    "an odd type": odd(type=["cancel"]),
    "the type twice": with_bytes(b'"type"', b'"type": "cancel", "typo"'),
    "tags that are no list": command(tags="eu"),
    "tags of odd types": command(tags=[1, None, "eu"]),
    "metadata that are no object": command(metadata=[1]),
    "metadata with a huge number": command(metadata={"x": 10**30}),
    "deep metadata": command(metadata={}).replace(
        b'"metadata": {}', b'"metadata": ' + b'{"a":' * 120 + b"1" + b"}" * 120
    ),
    "an input of 99 levels": command().replace(b'"input": {}', b'"input": ' + b"[" * 99 + b"]" * 99),
}
PUT_ASIDE = {
    "100,000 levels": b"[" * 100_000,
    "100,000 levels of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a byte order mark": b"\xef\xbb\xbf" + odd(),
    "UTF-16": odd().decode().encode("utf-16"),
    "half a surrogate pair": with_bytes(b"trip::bad", rb"trip::\ud800"),
    "a number beyond all": with_bytes(b'"c-1"', b"1e999999"),
    "a number of 5,000 digits": with_bytes(b'"c-1"', b"9" * 5_000),
    "NaN": with_bytes(b'"c-1"', b"NaN"),
    "an id of 10 kB": odd(id="x" * 10_000),
    "a NUL in the id": odd(id="c\0"),
    "no id": odd(id=None),
    "two objects": odd() + odd(),
    "half an object": odd()[:-9],
}
NO_PARTITION = (b"0x1", b"-1", b"9" * 20, "²".encode(), b"", b" 0", b"0 ", b"4", b"\xff", b"1_0", b"+1", b"1.0")


def test_whatever_is_wrong_with_a_command_is_answered_or_put_aside(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started()
    for name, value in ANSWERED.items():
        publisher.send_raw(value.replace(b'"c-1"', json.dumps(name).encode()), key=KEY.encode(), headers=ASKS)
    for value in PUT_ASIDE.values():
        publisher.send_raw(value, key=KEY.encode(), headers=ASKS)
    for number, partition in enumerate(NO_PARTITION):
        publisher.send_raw(odd(id=f"mute-{number}"), key=KEY.encode(), headers=[("reply_partition", partition)])
    last = start_command(Nap, "last", Trip())
    publisher.send([last])

    workers.until(lambda: len(topics.records("completions")) == 1, of=[worker])
    workers.until(lambda: len(check_answers(topics)) == len(ANSWERED) + 1, of=[worker])
    workers.until(lambda: len(topics.records("dead-letters")) == len(PUT_ASIDE) + len(NO_PARTITION), of=[worker])

    assert set(check_answers(topics)) == {*ANSWERED, last.id}
    assert not any(answer["accepted"] for name, answer in check_answers(topics).items() if name != last.id)
    letters = topics.records("dead-letters")
    assert sorted(letter.value or b"" for letter in letters if letter.headers["reason"] == b"undecodable") == sorted(
        PUT_ASIDE.values()
    )
    assert sum(letter.headers["reason"] == b"not_found" for letter in letters) == len(NO_PARTITION)
    assert worker.stop() == 0
