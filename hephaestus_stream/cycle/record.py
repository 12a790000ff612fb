"""How what a shard keeps is written as bytes: one module for all tables, so that a change of form is seen."""

from __future__ import annotations

import struct
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from hephaestus_stream.core.admission import KeyRecord
from hephaestus_stream.core.answer import AnswerEffect, Reason
from hephaestus_stream.core.input import TimerKind
from hephaestus_stream.core.state import State
from hephaestus_stream.errors import ShardClosedError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Form of the record, whether it needs a new owner's attention, when it expires (0: never), and a number of its own.
_HEADER: Final = struct.Struct(">BBqq")
FORM: Final = 3
_WITH_COUNTS: Final = 2
"""From this form on a run's state has the numbers of its active nodes."""

_STEERED: Final = 3
"""The form of a run that was paused or taken up again: a worker that does not know of that must not go on with it."""


class AnswerRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a command, kept so that the same command gets it again."""

    effect: AnswerEffect | None
    reason: Reason | None
    message: str | None
    run: str | None
    position: int
    at: datetime


class TimerRecord(msgspec.Struct, frozen=True):
    """A due time of a node's attempt; when and whose it is stands in its key."""

    key: str
    run: str
    node: str
    attempt: int
    kind: TimerKind
    due_at: datetime


class Header(msgspec.Struct, frozen=True):
    """What is known of a record without decoding it.

    Attributes:
        running: Whether a new owner has something to do for the run: steps to execute, kept events to look at.
        expires: When the record is deleted, in microseconds since 1970; 0 for never.
        number: Of an answer, its place among the commands of its key.
    """

    running: bool = False
    expires: int = 0
    number: int = 0


_STATE: Final = msgspec.msgpack.Decoder(State)
_KEY: Final = msgspec.msgpack.Decoder(KeyRecord)
_ANSWER: Final = msgspec.msgpack.Decoder(AnswerRecord)
_TIMER: Final = msgspec.msgpack.Decoder(TimerRecord)
_ENCODER: Final = msgspec.msgpack.Encoder()

RecordT = TypeVar("RecordT")
Record = State | KeyRecord | AnswerRecord | TimerRecord


def encode(record: Record, header: Header | None = None) -> bytes:
    """The bytes of a record; the same record gives the same bytes."""
    header = header or Header()
    form = _STEERED if isinstance(record, State) and record.steered else _WITH_COUNTS
    return _HEADER.pack(form, header.running, header.expires, header.number) + _ENCODER.encode(record)


def header_of(value: bytes) -> Header:
    """The header of a record.

    Raises:
        ShardClosedError: The record was written by a newer version, or is damaged; the same holds for each
            `decode_...`.
    """
    try:
        form, running, expires, number = _HEADER.unpack_from(value)
    except struct.error as error:
        raise _damaged(error) from error
    _require_known(form)
    return Header(bool(running), expires, number)


def decode_state(value: bytes) -> State:
    """A run's state."""
    state = decode_with(_STATE, value)
    return state if value[0] >= _WITH_COUNTS else _counted(state)


def decode_key(value: bytes) -> KeyRecord:
    """What is kept of a key."""
    return decode_with(_KEY, value)


def decode_answer(value: bytes) -> AnswerRecord:
    """The answer to a command."""
    return decode_with(_ANSWER, value)


def decode_timer(value: bytes) -> TimerRecord:
    """A timer."""
    return decode_with(_TIMER, value)


def microseconds(at: datetime) -> int:
    """An instant as a number that sorts as time does."""
    return (at - _EPOCH) // _MICROSECOND


def instant(number: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + number * _MICROSECOND


def decode_with(decoder: msgspec.msgpack.Decoder[RecordT], value: bytes) -> RecordT:
    """A record, or as much of it as a decoder looks for."""
    _require_known(value[0] if value else 0)
    try:
        return decoder.decode(memoryview(value)[_HEADER.size :])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> ShardClosedError:
    return ShardClosedError(
        f"a record of the state is damaged ({error}): empty the worker's data folder, which is a copy; if that does "
        "not mend it, somebody has written into the topic"
    )


def _counted(state: State) -> State:
    numbers = Counter(node.status for node in state.nodes.values())
    pausing = numbers["retrying"] + numbers["choosing"]
    return msgspec.structs.replace(state, running=numbers["running"], waiting=numbers["waiting"], pausing=pausing)


def _require_known(form: int) -> None:
    if form > FORM:
        raise ShardClosedError(
            f"a record of the state has the form {form}, this version reads up to {FORM}: upgrade this worker"
        )
