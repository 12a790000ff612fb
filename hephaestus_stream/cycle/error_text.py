"""What is told of an exception where payloads are encrypted: its text may quote them."""

from __future__ import annotations

import traceback
from typing import Final

import msgspec

from hephaestus_stream.core.state import Error, State
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.own_error import is_own
from hephaestus_stream.encryption.run import error_place

HIDDEN: Final = "its text is encrypted in the history; `hephaestus decrypt` shows it"

_MAX_TYPE: Final = 100
_MAX_MESSAGE: Final = 1_000
_MAX_TRACEBACK: Final = 4_000


def told(error: BaseException, state: State, node: str, *, cipher: Cipher) -> Error:
    """An exception as it may be told."""
    described = describe(error)
    if cipher.seals_errors and is_own(error):
        # What it was raised in the midst of is the step's, and stands in the traceback.
        return Error(described.type, described.message)
    return discreet(described, state, node, cipher=cipher)


def discreet(error: Error, state: State, node: str, *, cipher: Cipher) -> Error:
    """The error as it may be told: with message and traceback sealed, where that is wanted."""
    if not cipher.seals_errors or error.sealed is not None:
        return error
    plain = msgspec.json.encode({"message": error.message, "traceback": error.traceback})
    return Error(error.type, HIDDEN, sealed=cipher.seal(plain, error_place(state, node)))


def describe(error: BaseException) -> Error:
    """An exception as the history keeps it."""
    kind = clip(type(error).__name__, most=_MAX_TYPE)
    return Error(kind, clip(message_of(error)), _encodable(_traceback(error))[-_MAX_TRACEBACK:])


def message_of(error: BaseException) -> str:
    """What an exception says."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - an exception's own code may raise anything, too
        return f"a {type(error).__name__} that cannot be shown"


def clip(text: str, *, most: int = _MAX_MESSAGE) -> str:
    """The beginning of a text, as it can be written."""
    text = _encodable(text)
    return text if len(text) <= most else f"{text[:most]}…"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001 - as above
        return ""


def _encodable(text: str) -> str:
    # Half a surrogate pair in a text must not keep the history from being written.
    return text.encode(errors="backslashreplace").decode()
