"""The position record, and when it does not fit its topic."""

from __future__ import annotations

import pytest
from msgspec import structs

from hephaestus_stream.errors import ShardClosedError, UnreadablePositionError
from hephaestus_stream.runtime.position import (
    Applied,
    Position,
    check_position,
    decode_position,
    encode_position,
    require_applied,
)


def check(position: Position | None, *, group_offset_exists: bool = True, state_is_empty: bool = False) -> int:
    return check_position(
        position,
        topic="shop.commands",
        partition=3,
        topic_id="first",
        state_topic_id="the changelog's",
        log_start=100,
        log_end=200,
        group_offset_exists=group_offset_exists,
        state_is_empty=state_is_empty,
    )


def at(offset: int, topic_id: str = "first") -> Position:
    return Position(commands_offset=offset, commands_topic_id=topic_id, closed_cleanly=True)


@pytest.mark.parametrize("offset", [100, 150, 200])
def test_a_position_within_the_log_is_where_reading_goes_on(offset: int) -> None:
    assert check(at(offset)) == offset


def test_the_first_opening_starts_at_the_logs_start() -> None:
    assert check(None, group_offset_exists=False, state_is_empty=True) == 100


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (at(40), "40 to 99 were deleted before they were read"),
        (at(250), "the broker lost 200 to 249"),
        (at(150, "second"), "was replaced by first, with the offsets 100 to 200"),
    ],
)
def test_a_position_outside_its_log_closes_the_partition_and_names_the_range(position: Position, said: str) -> None:
    with pytest.raises(ShardClosedError, match=said) as closed:
        check(position)
    assert "shop.commands[3]" in str(closed.value)
    assert "`hephaestus positions reset --accept-loss`" in str(closed.value)


def test_a_position_that_was_meant_for_another_changelog_closes_the_partition() -> None:
    moved = Position(commands_offset=150, commands_topic_id="first", state_topic_id="lost", closed_cleanly=True)
    with pytest.raises(ShardClosedError, match=r"a changelog of the id lost.*replaced by the changelog's") as closed:
        check(moved)
    assert "`hephaestus positions reset --accept-loss`" in str(closed.value)


def test_a_group_offset_without_any_state_closes_the_partition() -> None:
    with pytest.raises(ShardClosedError, match="the state topic was lost"):
        check(None, state_is_empty=True)


def test_state_without_a_position_closes_the_partition() -> None:
    with pytest.raises(ShardClosedError, match="no position"):
        check(None, group_offset_exists=False)


def test_a_position_survives_its_bytes() -> None:
    position = structs.replace(at(7), applied=Applied(offset=6, timestamp=1_000))
    assert decode_position(encode_position(position)) == position


def test_a_position_of_an_older_release_knows_no_last_command() -> None:
    encoded = encode_position(at(7)).replace(b'"applied":null,', b"")
    assert b"applied" not in encoded
    assert decode_position(encoded) == at(7)


def test_a_log_with_another_record_in_the_place_of_the_last_command_closes_the_partition() -> None:
    applied = Applied(offset=149, timestamp=1_000)
    require_applied(applied, topic="shop.commands", partition=3, is_there=True)
    with pytest.raises(ShardClosedError, match=r"shop.commands\[3\].*at offset 149 stands another record") as closed:
        require_applied(applied, topic="shop.commands", partition=3, is_there=False)
    assert "`hephaestus positions reset --accept-loss`" in str(closed.value)


def test_a_field_that_a_later_release_added_is_ignored() -> None:
    encoded = encode_position(at(7)).replace(b"{", b'{"added":1,', 1)
    assert decode_position(encoded) == at(7)


def test_a_position_of_a_newer_schema_closes_the_partition() -> None:
    encoded = encode_position(at(7)).replace(b'"schema":1', b'"schema":2')
    with pytest.raises(ShardClosedError, match="schema 2"):
        decode_position(encoded)


@pytest.mark.parametrize("encoded", [b"", b"{}", b"nonsense"])
def test_bytes_that_are_no_position_close_the_partition(encoded: bytes) -> None:
    with pytest.raises(UnreadablePositionError, match="cannot be read"):
        decode_position(encoded)
