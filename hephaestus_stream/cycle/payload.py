"""Payloads of commands: asked of the users' models, and kept as the JSON that these write."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pydantic import TypeAdapter, ValidationError

from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.event import Event
from hephaestus_stream.core.limits import MAX_PAYLOAD_BYTES
from hephaestus_stream.core.state import State
from hephaestus_stream.wire.command import StartCommand
from hephaestus_stream.wire.sound_json import require_sound

_NULL: Final = b"null"
_SHOWN_PROBLEMS: Final = 5
_MOST_NAME: Final = 60
_MOST_PROBLEM: Final = 300


def start_payload(command: StartCommand, *, definition: Definition) -> bytes | Refused:
    """A start payload as it is kept: validated once, so that defaults are drawn once."""
    encoded = command.input_json()
    labels = label_size(command)
    if len(encoded) + labels > MAX_PAYLOAD_BYTES:
        return _too_large(len(encoded) + labels)
    adapter = definition.input_adapter
    try:
        model: object = adapter.validate_json(encoded)
        kept = written(adapter, model)
    except BaseException as error:  # noqa: BLE001 - a model's own validators may raise anything
        return Refused("invalid_payload", f"the input of {definition.name}: {_explain(error)}")
    # Defaults may make it larger than what was sent.
    return kept if len(kept) + labels <= MAX_PAYLOAD_BYTES else _too_large(len(kept) + labels)


def written(adapter: TypeAdapter[Any], model: object) -> bytes:
    """A payload as the JSON that is kept and published.

    Raises:
        ValueError: The model writes what nobody can read back.
        Exception: Whatever a model's own serializers raise.
    """
    return require_sound(adapter.dump_json(model, by_alias=True, round_trip=True))


def label_size(command: StartCommand) -> int:
    """Bytes that a start's tags and metadata take."""
    return len(msgspec.json.encode((command.tags, command.metadata)))


def event_payload(sent: bytes, event: Event[Any] | None) -> tuple[bytes | None, str | None]:
    """An event's payload as it is kept, or what is wrong with it; of an unknown event the engine tells that first.

    Args:
        sent: As JSON; `null` stands for none.
        event: The event that it is for; None for an unknown one.
    """
    if event is None or event.adapter is None:
        return None, None if sent == _NULL else "it carries no payload; leave it out"
    try:
        model: object = event.adapter.validate_json(sent)
        return written(event.adapter, model), None
    except BaseException as error:  # noqa: BLE001 - as above
        return None, _explain(error)


def unreadable_payload(definition: Definition, state: State) -> str | None:
    """Which payload of a run another version of its workflow cannot read; None where it reads all."""
    try:
        definition.input_adapter.validate_json(state.input)
    except BaseException as error:  # noqa: BLE001 - as above
        return f"the input: {_explain(error)}"
    kept = [(node, reported) for node, each in state.nodes.items() for reported in (each.reported, each.otherwise)]
    kept += [(early.node, early.reported) for early in state.early]
    for node, reported in kept:
        event = None if reported is None else definition.events.get(node, {}).get(reported.event)
        if reported is None or event is None:
            continue  # the engine tells of events that there are not
        try:
            if event.adapter is not None:
                event.adapter.validate_json(reported.payload or _NULL)
        except BaseException as error:  # noqa: BLE001 - as above
            return f"{node}.{reported.event}: {_explain(error)}"
    return None


def _too_large(size: int) -> Refused:
    message = (
        f"the input, tags and metadata have {size} bytes and may have {MAX_PAYLOAD_BYTES}; send a reference to the data"
    )
    return Refused("too_large", message)


def _explain(error: BaseException) -> str:
    if not isinstance(error, ValidationError):
        return _clip(repr(error), most=_MOST_PROBLEM)
    details = error.errors(include_url=False, include_context=False, include_input=False)
    parts = [
        # Both quote what was sent.
        f"{_clip('.'.join(map(str, each['loc'])), most=_MOST_NAME) or 'it'}: {_clip(each['msg'], most=_MOST_PROBLEM)}"
        for each in details[:_SHOWN_PROBLEMS]
    ]
    more = len(details) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _clip(text: str, *, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
