"""Payloads of commands: asked of the users' models, and kept as the JSON that these write."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.event import Event
from hephaestus_stream.core.limits import MAX_PAYLOAD_BYTES
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.error_text import clip
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.envelope import PREFIX, Envelope, Place
from hephaestus_stream.encryption.run import input_place, result_place, start_place
from hephaestus_stream.errors import PayloadUnreadableError
from hephaestus_stream.wire.command import StartCommand
from hephaestus_stream.wire.problem import payload_problems
from hephaestus_stream.wire.sound_json import require_sound

_NULL: Final = b"null"
_SHOWN_PROBLEMS: Final = 5
_MOST_PROBLEM: Final = 300


def start_payload(command: StartCommand, *, definition: Definition, cipher: Cipher) -> bytes | Refused:
    """A start payload as it is kept: validated once, so that defaults are drawn once, and sealed."""
    sent = command.input_json()
    labels = label_size(command)
    if len(sent) + labels > MAX_PAYLOAD_BYTES:
        return _too_large(len(sent) + labels)
    if (problem := _plain(sent, cipher)) is not None:
        return Refused("invalid_payload", f"the input of {definition.name}: {problem}")
    place = start_place(command)
    kept, problem = _taken_in(sent, definition.input_adapter, cipher, sent_for=place, kept_for=place)
    if kept is None:
        return Refused("invalid_payload", f"the input of {definition.name}: {problem}")
    # Defaults may make it larger than what was sent.
    return kept if len(kept) + labels <= MAX_PAYLOAD_BYTES else _too_large(len(kept) + labels)


def written(adapter: TypeAdapter[Any], model: object) -> bytes:
    """A payload as the JSON that is kept and published.

    What pydantic would warn of on standard error, quoting it, is a value that is not of its field's type: it is judged
    by whether the model can read it back, as a default of another type often can.

    Raises:
        ValueError: The model writes what nobody can read back, or what it does not read back itself.
        Exception: Whatever a model's own serializers raise.
    """
    try:
        encoded = adapter.dump_json(model, by_alias=True, round_trip=True, warnings="error")
    except PydanticSerializationError:
        encoded = adapter.dump_json(model, by_alias=True, round_trip=True, warnings="none")
        adapter.validate_json(encoded)
    return require_sound(encoded)


def label_size(command: StartCommand) -> int:
    """Bytes that a start's tags and metadata take."""
    return len(msgspec.json.encode((command.tags, command.metadata)))


def event_payload(
    sent: bytes,
    event: Event[Any] | None,
    *,
    cipher: Cipher,
    sent_for: Place,
    kept_for: Place,
    is_accepted: bool = False,
) -> tuple[bytes | None, str | None]:
    """An event's payload as it is kept, or what is wrong with it; of an unknown event the engine tells that first.

    Args:
        sent: As JSON; `null` stands for none.
        event: The event that it is for; None for an unknown one.
        cipher: Opens what was sent, and seals what is kept.
        sent_for: The place that it was sealed for.
        kept_for: The place where it is kept.
        is_accepted: Whether its sender was told already that it is kept, by a worker that took plain payloads.
    """
    if event is None or event.adapter is None:
        return None, None if sent == _NULL else "it carries no payload; leave it out"
    if not is_accepted and (problem := _plain(sent, cipher)) is not None:
        return None, problem
    return _taken_in(sent, event.adapter, cipher, sent_for=sent_for, kept_for=kept_for)


def parked_payload(sent: bytes, *, cipher: Cipher, place: Place) -> tuple[bytes | None, str | None]:
    """The payload of an event that is kept unread, or what is wrong with it: sealed for its command, if it was not.

    Args:
        sent: As JSON; `null` stands for none.
        cipher: Seals it.
        place: The place that a client seals it for.
    """
    if (problem := _plain(sent, cipher)) is not None:
        return None, problem
    try:
        if not sent.startswith(PREFIX):
            return cipher.seal(sent, place), None
        Envelope.from_json(sent, place)
    except PayloadUnreadableError as error:
        return None, str(error)
    return sent, None


def _plain(sent: bytes, cipher: Cipher) -> str | None:
    if not cipher.required or sent.startswith(PREFIX) or sent == _NULL:
        return None
    return "it is plain, and this worker takes encrypted payloads only; give its sender the keys"


def _taken_in(
    sent: bytes, adapter: TypeAdapter[Any], cipher: Cipher, *, sent_for: Place, kept_for: Place
) -> tuple[bytes | None, str | None]:
    """What was sent, as its model writes it, sealed; or what is wrong with it."""
    is_sealed = sent.startswith(PREFIX)
    try:
        model: object = adapter.validate_json(cipher.open(sent, sent_for))
        return cipher.seal(written(adapter, model), kept_for), None
    except PayloadUnreadableError as error:
        return None, str(error)
    except BaseException as error:  # noqa: BLE001 - a model's own validators may raise anything
        return None, _explain(error, is_secret=is_sealed)


def unreadable_payload(definition: Definition, state: State, *, cipher: Cipher) -> str | None:
    """Which payload of a run another version of its workflow cannot read; None where it reads all."""
    problem = _unreadable(state.input, definition.input_adapter, cipher, input_place(state))
    if problem is not None:
        return f"the input: {problem}"
    kept = [(node, reported) for node, each in state.nodes.items() for reported in (each.reported, each.otherwise)]
    kept += [(early.node, early.reported) for early in state.early]
    for node, reported in kept:
        event = None if reported is None else definition.events.get(node, {}).get(reported.event)
        if reported is None or event is None or event.adapter is None:
            continue  # the engine tells of events that there are not
        problem = _unreadable(reported.payload or _NULL, event.adapter, cipher, result_place(state, node))
        if problem is not None:
            return f"{node}.{reported.event}: {problem}"
    return None


def _unreadable(kept: bytes, adapter: TypeAdapter[Any], cipher: Cipher, place: Place) -> str | None:
    try:
        adapter.validate_json(cipher.open(kept, place))
    except PayloadUnreadableError as error:
        return str(error)
    except BaseException as error:  # noqa: BLE001 - as above
        return _explain(error, is_secret=kept.startswith(PREFIX))
    return None


def _too_large(size: int) -> Refused:
    message = (
        f"the input, tags and metadata have {size} bytes and may have {MAX_PAYLOAD_BYTES}; send a reference to the data"
    )
    return Refused("too_large", message)


def _explain(error: BaseException, *, is_secret: bool) -> str:
    """What a model says against a payload; of an encrypted one nothing that might quote it."""
    if is_secret:
        kinds = {each["type"]: None for each in error.errors()} if isinstance(error, ValidationError) else {}
        told = ", ".join([*kinds][:_SHOWN_PROBLEMS]) or type(error).__name__
        return f"its model refuses it ({told}); since it is encrypted, no more is told"
    if not isinstance(error, ValidationError):
        return clip(repr(error), most=_MOST_PROBLEM)
    return payload_problems(error)
