"""Records of any topic with their payloads opened, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.envelope import Place, Purpose, is_envelope


def opened(record: Mapping[str, object], cipher: Cipher) -> dict[str, object]:
    """A command, or a record about a run, with its payloads plain.

    Raises:
        PayloadUnreadableError: One of them cannot be read.
    """
    shown = dict(record)
    node = str(record.get("node"))
    for field, purpose, id, name in (  # noqa: A001 - the wire's own word
        ("input", "input", "id", ""),
        ("payload", "payload", "id", str(record.get("event"))),
        ("result", "result", "run", node),
        ("metadata", "metadata", "run", node),
    ):
        if field in record:
            shown[field] = _opened(record[field], _place(record, cast("Purpose", purpose), id, name), cipher)
    results, details = record.get("results"), record.get("details")
    if isinstance(results, dict):
        shown["results"] = {
            name: _opened(value, _place(record, "result", "run", name), cipher)
            for name, value in cast("dict[str, object]", results).items()
        }
    if isinstance(details, dict) and "sealed" in details:
        rest = {name: value for name, value in cast("dict[str, object]", details).items() if name != "sealed"}
        text = _opened(cast("object", details["sealed"]), _place(record, "error", "run", node), cipher)
        shown["details"] = {**rest, **cast("dict[str, object]", text)}
    return shown


def _place(record: Mapping[str, object], purpose: Purpose, id: str, name: str) -> Place:  # noqa: A002 - as above
    return Place(purpose, str(record.get("workflow")), str(record.get("key")), str(record.get(id)), name)


def _opened(value: object, place: Place, cipher: Cipher) -> object:
    return msgspec.json.decode(cipher.open(msgspec.json.encode(value), place)) if is_envelope(value) else value
