# An error is as much a result here as a value: both are looked at.
# ruff: noqa: PT017
"""Whatever bytes come, each reader gives a value that can be written back, or the one error that it promises."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from hephaestus_stream.cycle.record import decode_answer, decode_key, decode_state, decode_timer, encode, header_of
from hephaestus_stream.errors import CommandError, InvalidKeyError, RecordError, ShardClosedError
from hephaestus_stream.runtime.position import decode_position, encode_position
from hephaestus_stream.wire.command import decode_command, encode_command
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.headers import Headers, reply_partition, trace_headers, trace_of
from hephaestus_stream.wire.key import full_key, split_key
from hephaestus_stream.wire.output import CompletionRecord, HistoryRecord, Reply, StepResultRecord
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Chain, Order
from tests.cycle.partition import TOPICS, Partition, replies
from tests.properties.bad_bytes import damaged, header_values, headers, odd_texts, values

REASONS = {"undecodable", "unsupported_schema"}
MOST_MESSAGE = 5_000


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody wants to read of each dead letter."""
    caplog.set_level(logging.CRITICAL)


several = settings(
    max_examples=10 * settings().max_examples,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)
"""An example takes no time; and the level of the log is the same for all of them."""


@several
@given(values)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"id": "' + b"x" * 10_000_000 + b'"}')
@example(b"\xef\xbb\xbf{}")
def test_any_value_is_a_command_or_none_and_says_why(value: bytes | None) -> None:
    try:
        command = decode_command(value)
    except CommandError as error:
        event(error.reason)
        assert error.reason in REASONS
        assert len(str(error).encode()) < MOST_MESSAGE
        assert error.id is None or error.id.isprintable()
        assert error.key is None or split_key(error.key)
    else:
        event(command.type)
        assert decode_command(encode_command(command)) == command


@several
@given(headers)
def test_any_headers_name_a_partition_and_a_trace_or_none(found: Headers) -> None:
    partition, trace = reply_partition(found, partitions=4), trace_of(found)

    assert partition in {None, 0, 1, 2, 3}
    assert trace_of(trace_headers(trace)) == trace


@several
@given(odd_texts)
def test_any_text_is_a_key_or_none(text: str) -> None:
    try:
        assert full_key(*split_key(text)) == text
    except InvalidKeyError as error:
        assert str(error).encode()


@several
@given(
    st.dictionaries(st.sampled_from(["reason", "message", "topic", "partition", "offset", "at", "size"]), header_values)
)
@example(dict.fromkeys(("reason", "message", "topic", "partition", "offset"), b"1") | {"at": b"0001-01-01T00:00+14:00"})
@example(dict.fromkeys(("reason", "message", "topic", "partition", "offset"), b"1") | {"at": b"2026-01-01T00:00:00Z"})
def test_any_headers_are_a_dead_letters_or_none(found: dict[str, bytes | None]) -> None:
    try:
        letter = DeadLetter.from_headers(list(found.items()))
    except RecordError:
        return
    assert DeadLetter.from_headers(letter.to_headers()) == letter


OUTPUTS = (HistoryRecord, StepResultRecord, CompletionRecord, Reply)
_RUN = b'"workflow": "W", "version": 1, "key": "k::1", "run": "r", "sequence": 1, "at": "2026-11-23T06:04:05Z", '
SOUND = (
    b"{" + _RUN + b'"type": "started", "details": {"a": [1]}}',
    b"{"
    + _RUN
    + b'"node": "n", "event": "e", "attempt": 1, "started_at": "2026-11-23T06:04:05Z", "result": {"a": 1.5}}',
    b"{" + _RUN + b'"status": "failed", "started_at": "2026-11-23T06:04:05Z", "results": {"n": null}}',
    b'{"id": "c", "accepted": true, "partition": 1, "at": "2026-11-23T06:04:05Z"}',
)


@several
@given(
    st.sampled_from(OUTPUTS), st.one_of(st.binary(), st.sampled_from(SOUND), st.sampled_from(SOUND).flatmap(damaged))
)
@example(HistoryRecord, SOUND[0].replace(b"[1]", b"[1e777]"))
def test_any_value_is_a_record_of_an_output_or_none(
    model: type[HistoryRecord | StepResultRecord | CompletionRecord | Reply], value: bytes
) -> None:
    try:
        record = model.from_bytes(value)
    except RecordError as error:
        assert len(str(error).encode(errors="replace")) < MOST_MESSAGE
        return
    event(model.__name__)
    assert model.from_bytes(record.model_dump_json(by_alias=True).encode()) == record


DECODERS: tuple[Callable[[bytes], Any], ...] = (header_of, decode_state, decode_key, decode_answer, decode_timer)


@several
@given(st.sampled_from(DECODERS), st.one_of(st.binary(), st.binary().map(lambda rest: b"\x02" + bytes(17) + rest)))
@example(decode_state, b"")
@example(decode_key, b"\x02" + bytes(17) + b"\x91" * 100_000)
def test_any_bytes_of_the_state_are_a_record_or_close_the_partition(
    decode: Callable[[bytes], Any], value: bytes
) -> None:
    try:
        record = decode(value)
    except ShardClosedError:
        return
    if decode is not header_of:
        assert decode(encode(record)) == record


@several
@given(st.binary())
def test_any_bytes_are_a_position_or_close_the_partition(value: bytes) -> None:
    try:
        position = decode_position(value)
    except ShardClosedError:
        return
    assert decode_position(encode_position(position)) == position


SATISFIED = {"applied", "kept", "existing", "duplicate"}
"""Nobody is told of these unless they ask."""

PARTITIONS = 2
HERE = next(
    name
    for name in (f"next-{number}" for number in range(100))
    if partition_for(f"chain::{name}".encode(), PARTITIONS) == 0
)

Records = list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]]
records = st.lists(st.tuples(st.one_of(st.none(), st.binary(max_size=20)), values, headers), min_size=1, max_size=6)


@several
@given(records)
def test_each_record_gets_one_answer_or_one_letter_and_the_next_command_is_applied(found: Records) -> None:
    asyncio.run(take_in(found))


async def take_in(found: Records) -> None:
    partition = Partition(partitions=PARTITIONS)
    for key, value, with_headers in found:
        # aiokafka gives None for a header without a value, whatever its types say.
        told = cast("list[tuple[str, bytes]]", with_headers)
        batch = await partition.cycle(partition.record(value, key=key, headers=told))
        letters = [record for record in batch.outputs if record.topic == TOPICS.dead_letters]
        [outcome] = [taken.outcome for taken in batch.taken] or ["forwarded"]
        event(outcome)
        assert outcome != "engine_error"
        given_out = len(batch.replies) + len(letters) + len(batch.forwards)
        assert given_out == 1 or (given_out == 0 and outcome in SATISFIED)
        assert all((letter.key, letter.value) == (key, value) for letter in letters)
    [reply] = replies(await partition.cycle(partition.record(start_command(Chain, HERE, Order()))))
    assert reply.effect == "applied"
    await partition.runner.close()
