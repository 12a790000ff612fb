"""A dead letter as a client reads it: what was put aside, why, and whether it can be sent again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple, cast

import msgspec

from hephaestus_stream.errors import CommandError, NotReplayableError
from hephaestus_stream.wire.command import decode_command
from hephaestus_stream.wire.dead_letter import DeadLetter

FOREIGN: Final = "foreign"
"""In the place of a reason: the record is none that the engine has written."""

_NO_COMMAND: Final = -1
"""The offset that stands in a letter about a step's outcome or a timer."""


class Content(NamedTuple):
    """What a letter's value says of itself, as far as it can be read; None where it cannot."""

    type: str | None = None
    workflow: str | None = None
    key: str | None = None
    id: str | None = None


class Replayable(NamedTuple):
    """A command that may be sent again: the bytes of its record, its id and business key."""

    id: str
    key: str
    value: bytes


@dataclass(frozen=True)
class Letter:
    """One record of `dead-letters`.

    Attributes:
        partition: Where it lies in that topic.
        offset: See `partition`.
        key: The Kafka key of the record that was put aside.
        value: Its value.
        why: What the engine says of it.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    why: DeadLetter

    @property
    def place(self) -> str:
        """By which it is named: `3:17`."""
        return f"{self.partition}:{self.offset}"

    @property
    def at(self) -> datetime:
        """When it was put aside."""
        return self.why.at

    @cached_property
    def content(self) -> Content:
        """What its value says, be it a sound command or a damaged one."""
        try:
            document: object = msgspec.json.decode(self.value or b"")
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Content()
        if not isinstance(document, dict):
            return Content()
        fields = cast("dict[str, object]", document)
        return Content(*(each if isinstance(each := fields.get(name), str) else None for name in Content._fields))

    @property
    def business_key(self) -> str | None:
        """The key that it is about: that of the command, else that of the record, where it is text."""
        if self.content.key is not None:
            return self.content.key
        try:
            return None if self.key is None else self.key.decode()
        except UnicodeDecodeError:
            return None

    @property
    def command_id(self) -> str | None:
        """The id of its command, where it has one that could be an id."""
        try:
            return decode_command(self.value).id
        except CommandError as error:
            return error.id

    def mended(self, value: bytes) -> Letter:
        """The same with a command in place of its own, which keeps the id: so it takes effect once, as every replay.

        Raises:
            NotReplayableError: It is no command, or has another id.
        """
        try:
            command = decode_command(value)
        except CommandError as error:
            raise NotReplayableError(f"what is to be sent for {self.place} is no command: {error}") from None
        if self.command_id not in {None, command.id}:
            raise NotReplayableError(
                f"the command of {self.place} has the id {self.command_id!a}, and what is to be sent for it "
                f"{command.id!a}: keep the id, or leave it out, so that it takes effect once"
            )
        return replace(self, value=value, why=replace(self.why, size=None))

    def replayable(self) -> Replayable:
        """The command to send again.

        Raises:
            NotReplayableError: There is none: sending it could not end otherwise, or it is not whole.
        """
        why = self.why
        if why.reason == FOREIGN:
            raise NotReplayableError(f"{self.place} was not written by the engine: {why.message}")
        if why.offset == _NO_COMMAND:
            raise NotReplayableError(
                f"{self.place} is the outcome of a step, or a timer, of {self.business_key}, and no command: the run "
                "stands still; cancel it and start it anew"
            )
        if why.size is not None:
            kept = len(self.key or b"") + len(self.value or b"")
            raise NotReplayableError(
                f"{self.place} had {why.size:,} bytes, of which {kept:,} are kept; the whole record is, while it is "
                f"retained, at {why.topic} {why.partition}:{why.offset}"
            )
        try:
            command = decode_command(self.value)
        except CommandError as error:
            # A newer worker may read it; one that cannot has to be able to say so.
            if error.id is None or error.key is None:
                raise NotReplayableError(f"{self.place} cannot be read: {error}; publish it anew, mended") from None
            return Replayable(error.id, error.key, self.value or b"")
        return Replayable(command.id, command.key, self.value or b"")
