"""What is told of an exception where payloads are encrypted: its text may quote them."""

from __future__ import annotations

from typing import Final

import msgspec

from hephaestus_stream.core.state import Error, State
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.run import error_place

HIDDEN: Final = "its text is encrypted in the history; `hephaestus decrypt` shows it"

# The engine's own, which quote no payload, and which an operator must be able to read.
_OWN: Final = frozenset({"PayloadUnreadableError", "StepProcessError", "StepTimeoutError"})


def discreet(error: Error, state: State, node: str, *, cipher: Cipher) -> Error:
    """The error as it may be told: with message and traceback sealed, where that is wanted."""
    if not cipher.seals_errors or error.sealed is not None or error.type in _OWN:
        return error
    plain = msgspec.json.encode({"message": error.message, "traceback": error.traceback})
    return Error(error.type, HIDDEN, sealed=cipher.seal(plain, error_place(state, node)))
