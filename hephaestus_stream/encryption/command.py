"""Commands as clients with keys send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec
from pydantic import JsonValue

from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.envelope import Place, is_envelope
from hephaestus_stream.encryption.run import event_place, start_place
from hephaestus_stream.wire.command import Command, ResumeCommand, SkipCommand, StartCommand, unwritable


def sealed(command: Command, cipher: Cipher) -> Command:
    """The command with its payload encrypted; one that is so already stays as it is.

    Raises:
        CommandError: The payload is no JSON.
    """
    if not cipher.is_on:
        return command
    try:
        if isinstance(command, StartCommand) and not is_envelope(command.input):
            content = _sealed(command.input_json, cipher, start_place(command))
            return command.model_copy(update={"input": content})
        if (
            isinstance(command, ResumeCommand | SkipCommand)
            and command.payload is not None
            and not is_envelope(command.payload)
        ):
            place = event_place(command.workflow, command.key, command=command.id, event=command.event)
            return command.model_copy(update={"payload": _sealed(command.payload_json, cipher, place)})
    except ValueError as error:
        raise unwritable(command, error) from None
    return command


def _sealed(payload: Callable[[], bytes], cipher: Cipher, place: Place) -> JsonValue:
    return cast("JsonValue", msgspec.json.decode(cipher.seal(payload(), place)))
