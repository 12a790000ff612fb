from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.errors import RecordError
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.headers import reply_partition

LETTER = DeadLetter(
    reason="undecodable",
    message="the record is no JSON: publish a JSON object (ä, 日本)",
    topic="hephaestus.commands",
    partition=3,
    offset=4711,
    at=datetime(2026, 11, 23, 6, 4, 5, tzinfo=UTC),
)


@pytest.mark.parametrize(("value", "partition"), [(b"0", 0), (b"11", 11), (b"007", 7)])
def test_an_answer_is_asked_for_by_the_number_of_a_partition(value: bytes, partition: int) -> None:
    assert reply_partition([("reply_partition", value)], partitions=12) == partition


@pytest.mark.parametrize(
    "value",
    [None, b"", b"12", b"-1", b"+1", b" 1", b"1.0", b"1_0", b"0x1", b"x", b"\xff", "٣".encode(), b"1" * 1_000_000],
)
def test_a_bad_reply_partition_is_as_good_as_none(value: bytes | None) -> None:
    assert reply_partition([("reply_partition", value)], partitions=12) is None


def test_without_headers_no_answer_is_asked_for() -> None:
    assert reply_partition(None, partitions=12) is None
    assert reply_partition([("other", b"1")], partitions=12) is None


def test_the_last_of_two_equal_headers_counts() -> None:
    assert reply_partition([("reply_partition", b"1"), ("reply_partition", b"2")], partitions=12) == 2


@given(st.binary(), st.integers(min_value=1, max_value=100))
def test_any_header_names_a_partition_of_the_topic_or_none(value: bytes, partitions: int) -> None:
    partition = reply_partition([("reply_partition", value)], partitions=partitions)

    assert partition is None or 0 <= partition < partitions


def test_a_dead_letter_is_read_from_the_headers_it_was_written_to() -> None:
    headers = LETTER.to_headers()

    assert [name for name, _ in headers] == ["reason", "message", "topic", "partition", "offset", "at"]
    assert DeadLetter.from_headers(headers) == LETTER
    assert dict(headers)["at"] == b"2026-11-23T06:04:05.000000Z"


def test_a_dead_letter_that_is_not_whole_says_how_large_its_record_was() -> None:
    letter = replace(LETTER, size=3_000_000)

    assert DeadLetter.from_headers(letter.to_headers()) == letter


@pytest.mark.parametrize("name", ["reason", "message", "topic", "partition", "offset", "at"])
def test_a_dead_letter_without_one_of_its_headers_is_refused(name: str) -> None:
    headers = [header for header in LETTER.to_headers() if header[0] != name]

    with pytest.raises(RecordError, match=f"'{name}' is missing"):
        DeadLetter.from_headers(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("offset", b"x"),
        ("at", b"yesterday"),
        ("at", b"2026-11-23T06:04:05"),
        ("at", b"0001-01-01T00:00:00+14:00"),
        ("message", b"\xff"),
        ("size", b"large"),
    ],
)
def test_a_dead_letter_with_a_senseless_header_is_refused(name: str, value: bytes) -> None:
    with pytest.raises(RecordError, match="not those of a dead letter"):
        DeadLetter.from_headers([*LETTER.to_headers(), (name, value)])


def test_half_a_surrogate_pair_in_a_message_does_not_keep_the_letter_from_being_written() -> None:
    letter = DeadLetter(reason="r", message="a\ud800b", topic="t", partition=0, offset=0, at=LETTER.at)

    assert DeadLetter.from_headers(letter.to_headers()).message == r"a\ud800b"
