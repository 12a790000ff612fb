"""How an encrypted payload stands where its JSON would: `{"$encrypted": {"key": ..., "data": ...}}`."""

from __future__ import annotations

import binascii
from typing import Final, Literal, NamedTuple

import msgspec

from hephaestus_stream.encryption.key import is_key_id
from hephaestus_stream.encryption.own_error import own
from hephaestus_stream.errors import PayloadUnreadableError

Purpose = Literal[
    "input",  # of a start command, and of its run
    "payload",  # of a resume command
    "result",  # of a node, or of an event that is kept for it
    "metadata",  # of a node's outcome
    "error",  # of a node's attempt
]

PREFIX: Final = b'{"$encrypted":'
NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_FORM: Final = "hephaestus-1"
_MOST_SHOWN: Final = 200


class Place(NamedTuple):
    """Where a payload stands: encrypted for one place, it can be read at no other.

    Attributes:
        purpose: What it is.
        workflow: The stored name.
        key: The business key.
        id: The run; of an event's payload the resume command.
        name: The node; of an event's payload the event, of an input nothing.
    """

    purpose: Purpose
    workflow: str
    key: str
    id: str
    name: str = ""

    def associated_data(self, key_id: str) -> bytes:
        """What the ciphertext is bound to. No part can hold a line's end, so no two places are written alike."""
        return f"{_FORM}\n{self.purpose}\n{key_id}\n{self.workflow}\n{self.key}\n{self.id}\n{self.name}".encode()

    def __str__(self) -> str:
        what = f"the {self.purpose} of {self.name}" if self.name else f"the {self.purpose}"
        return f"{what} in {self.key} ({self.id})"


class Envelope(NamedTuple):
    """An encrypted payload.

    Attributes:
        key: The id of the key.
        nonce: Drawn for this payload alone.
        ciphertext: With the tag at its end.
    """

    key: str
    nonce: bytes
    ciphertext: bytes

    def to_json(self) -> bytes:
        """As it stands in a record."""
        data = binascii.b2a_base64(self.nonce + self.ciphertext, newline=False)
        return b"".join((PREFIX, b'{"key":"', self.key.encode(), b'","data":"', data, b'"}}'))

    @classmethod
    def from_json(cls, value: bytes, place: Place) -> Envelope:
        """Reads what begins as an envelope.

        Raises:
            PayloadUnreadableError: It is none.
        """
        try:
            content = _DECODER.decode(value).encrypted
        except (msgspec.MsgspecError, ValueError) as error:
            # It names fields and positions, never the content; but a field may be called anything.
            why = str(error)[:_MOST_SHOWN]
            raise _unreadable(f"{place} is no envelope of an encrypted payload: {why}") from None
        if not is_key_id(content.key):
            raise _unreadable(f"{place} is no envelope of an encrypted payload: its key is no id of a key")
        if len(content.data) < NONCE_BYTES + _TAG_BYTES:
            raise _unreadable(f"{place} is cut off: its envelope holds {len(content.data)} bytes")
        return cls(content.key, content.data[:NONCE_BYTES], content.data[NONCE_BYTES:])


def _unreadable(problem: str) -> PayloadUnreadableError:
    return own(PayloadUnreadableError(problem))


def key_of(stored: bytes) -> str | None:
    """The id of the key that a payload is under; None where it is plain, or no envelope."""
    if not stored.startswith(PREFIX):
        return None
    try:
        return _KEY_DECODER.decode(stored).encrypted.key
    except (msgspec.MsgspecError, ValueError):
        return None


def is_envelope(value: object) -> bool:
    """Whether a JSON value stands for an encrypted payload."""
    return isinstance(value, dict) and len(value) == 1 and "$encrypted" in value  # pyright: ignore[reportUnknownArgumentType]


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    data: bytes


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    encrypted: _Content = msgspec.field(name="$encrypted")


class _Named(msgspec.Struct):
    key: str


class _NamingDocument(msgspec.Struct):
    encrypted: _Named = msgspec.field(name="$encrypted")


_DECODER: Final = msgspec.json.Decoder(_Document)
_KEY_DECODER: Final = msgspec.json.Decoder(_NamingDocument)
