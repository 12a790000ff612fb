"""The position record: how far a shard consumed its commands, committed in one transaction with what came of them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hephaestus_stream.errors import ShardClosedError, UnreadablePositionError

# Below every table's prefix, above the store's reserved byte.
POSITION_KEY: Final = b"\x01position"
SCHEMA: Final = 1
WAY_OUT: Final = "If the loss is acceptable: `hephaestus positions reset --accept-loss`"


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was applied; no other that the brokers append has both its offset and its date.

    Attributes:
        offset: Its offset.
        timestamp: When a broker appended it, in milliseconds since 1970.
    """

    offset: int
    timestamp: int


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shard goes on; the group's committed offset is advisory only.

    Attributes:
        commands_offset: The next offset of `commands` to read; a record below it is dropped.
        commands_topic_id: The id of the topic that the offset counts in.
        state_topic_id: The id of the topic that this record was meant for; None in those of older versions.
        closed_cleanly: Whether the owner finished in order: after an unclean close the first cycle does not fold.
        committed_at: When it was committed, by the owner's clock: when a lost owner was last seen.
        failed: The keys on which the engine failed one after the other; a restart must not begin to count anew.
        applied: The last command that was applied; None where none was since the position was set, and in those of
            older versions.
        schema: The version of this record; a newer one closes the partition.
    """

    commands_offset: int
    commands_topic_id: str
    closed_cleanly: bool
    state_topic_id: str | None = None
    committed_at: datetime | None = None
    failed: tuple[str, ...] = ()
    applied: Applied | None = None
    schema: int = SCHEMA


class _Versioned(msgspec.Struct):
    """The part of a position that every version has."""

    schema: int


# Made here: threads that were the first to look into a type, at once, would find it half made.
_VERSIONED: Final = msgspec.json.Decoder(_Versioned)
_POSITION: Final = msgspec.json.Decoder(Position)


def encode_position(position: Position) -> bytes:
    """The position as the value of its record."""
    return msgspec.json.encode(position)


def decode_position(encoded: bytes) -> Position:
    """The position from the value of its record.

    Raises:
        ShardClosedError: It was written by a newer version.
        UnreadablePositionError: It is not a position at all.
    """
    try:
        schema = _VERSIONED.decode(encoded).schema
        if schema > SCHEMA:
            raise ShardClosedError(
                f"the position record has the schema {schema}, this version reads up to {SCHEMA}: upgrade this worker"
            )
        return _POSITION.decode(encoded)
    except msgspec.DecodeError as error:
        raise UnreadablePositionError(
            f"the position record cannot be read ({error}): {encoded[:200]!r}. {WAY_OUT}"
        ) from error


def check_position(
    position: Position | None,
    *,
    topic: str,
    partition: int,
    topic_id: str,
    state_topic_id: str,
    log_start: int,
    log_end: int,
    group_offset_exists: bool,
    state_is_empty: bool,
) -> int:
    """The offset of `commands` to read from, if that is certain; a reader never resets by itself.

    Args:
        position: The position record, None if there is none.
        topic: The commands topic.
        partition: The shard's partition.
        topic_id: The id that the topic has now.
        state_topic_id: The id that the changelog has now.
        log_start: The first offset that it still has.
        log_end: The offset that its next record will get.
        group_offset_exists: Whether the consumer group ever committed an offset for the partition.
        state_is_empty: Whether the changelog, too, knows nothing of the partition.

    Raises:
        ShardClosedError: Commands would be lost or applied twice; the message names the range and the way out.
    """
    where = f"{topic}[{partition}]"
    if position is None:
        _require_first_opening(where, group_offset_exists=group_offset_exists, state_is_empty=state_is_empty)
        return log_start
    offset = position.commands_offset
    if position.commands_topic_id != topic_id:
        raise ShardClosedError(
            f"{where} stays closed: its position {offset} counts in a topic of the id {position.commands_topic_id}, "
            f"but that was replaced by {topic_id}, with the offsets {log_start} to {log_end}. {WAY_OUT}"
        )
    if position.state_topic_id not in {None, state_topic_id}:
        raise ShardClosedError(
            f"{where} stays closed: its position {offset} was meant for a changelog of the id "
            f"{position.state_topic_id}, but that was replaced by {state_topic_id}, and all state before it is lost. "
            f"{WAY_OUT}"
        )
    if offset < log_start:
        raise ShardClosedError(
            f"{where} stays closed: the commands {offset} to {log_start - 1} were deleted before they were read; the "
            f"log has {log_start} to {log_end}. {WAY_OUT}"
        )
    if offset > log_end:
        raise ShardClosedError(
            f"{where} stays closed: commands up to {offset - 1} were applied, but the log ends at {log_end}: the "
            f"broker lost {log_end} to {offset - 1}. {WAY_OUT}"
        )
    return offset


def require_applied(applied: Applied, *, topic: str, partition: int, is_there: bool) -> None:
    """Require that the log still has the last command that was applied: an offset alone does not tell.

    A leader that lacks records gives their offsets to others.

    Raises:
        ShardClosedError: Another record has its place.
    """
    if not is_there:
        raise ShardClosedError(
            f"{topic}[{partition}] stays closed: the log lost records: at offset {applied.offset} stands another "
            f"record than the one applied, so it is unknown which commands up to there were applied. {WAY_OUT}"
        )


def _require_first_opening(where: str, *, group_offset_exists: bool, state_is_empty: bool) -> None:
    if not state_is_empty:
        raise ShardClosedError(
            f"{where} stays closed: its state has records but no position, so it is unknown which commands from 0 on "
            f"were applied. {WAY_OUT}"
        )
    if group_offset_exists:
        raise ShardClosedError(
            f"{where} stays closed: its group committed an offset but there is no state at all, so the state topic was "
            f"lost and all commands from 0 on would be applied again. {WAY_OUT}"
        )
