"""How dead letters look: for people, where nothing that was sent reaches the terminal unescaped, and as JSON."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rich.text import Text

from hephaestus_stream.client.letter import Letter
from hephaestus_stream.drawing.label import printable

_DUMP_WIDTH: Final = 32
_MOST_KEY: Final = 60
_STYLES: Final = ("bold", "dim", "red", "cyan", "")


@dataclass(frozen=True, order=True)
class Listed:
    """What a list shows of a letter; the newest is the greatest."""

    at: datetime
    partition: int
    offset: int
    cells: tuple[str, str, str, str, str] = field(compare=False)
    message: str = field(compare=False)
    document: dict[str, object] = field(compare=False)

    @classmethod
    def of(cls, letter: Letter) -> Listed:
        """A letter without its bytes."""
        cells = (letter.place, _at(letter), printable(letter.why.reason), _key(letter), _what(letter))
        document = letter_document(letter, with_bytes=False)
        return cls(letter.at, letter.partition, letter.offset, cells, printable(letter.why.message), document)


def list_text(letters: Sequence[Listed], *, found: int) -> Text:
    """Letters as a table of two lines each: where, when, why and what; then what the engine said."""
    widths = [max(map(len, column)) for column in zip(*(each.cells for each in letters), strict=True)]
    text = Text()
    for letter in letters:
        for cell, width, style in zip(letter.cells, widths, _STYLES, strict=True):
            text.append(cell.ljust(width), style).append("  ")
        text.rstrip()
        text.append(f"\n{' ' * widths[0]}  {letter.message}\n")
    shorter = "" if found == len(letters) else f"the newest {len(letters):,} of {found:,}; --limit shows more. "
    return text.append(f"{shorter}`hephaestus dlq show {letters[0].cells[0]}` shows one", "dim")


def letter_text(letter: Letter) -> Text:
    """All of a letter; bytes that are no text in hexadecimal digits."""
    why = letter.why
    size = "" if why.size is None else f", had {why.size:,} bytes"
    lines = {
        "place": letter.place,
        "reason": printable(why.reason),
        "message": printable(why.message),
        "from": f"{printable(why.topic)} {why.partition}:{why.offset}{size}",
        "at": _at(letter),
        "what": _what(letter),
    }
    text = Text()
    for name, value in lines.items():
        text.append(f"{name:<9}", "cyan").append(f"{value}\n")
    for name, content in (("key", letter.key), ("value", letter.value)):
        text.append(f"{name:<9}", "cyan").append(f"{_bytes_text(content)}\n")
    text.rstrip()
    return text


def letter_document(letter: Letter, *, with_bytes: bool) -> dict[str, object]:
    """A letter for programs."""
    why, content = letter.why, letter.content
    told: dict[str, object] = {
        "place": letter.place,
        "reason": why.reason,
        "message": why.message,
        "at": why.at.isoformat(),
        "topic": why.topic,
        "partition": why.partition,
        "offset": why.offset,
        "size": why.size,
        "type": content.type,
        "workflow": content.workflow,
        "business_key": letter.business_key,
        "id": content.id,
    }
    if with_bytes:
        told |= {"key": _bytes_document(letter.key), "value": _bytes_document(letter.value)}
    return told


def _at(letter: Letter) -> str:
    return letter.at.strftime("%Y-%m-%d %H:%M:%S") + "Z"


def _key(letter: Letter) -> str:
    key = letter.business_key
    text = ("none" if letter.key is None else letter.key.hex()) if key is None else printable(key)
    return text if len(text) <= _MOST_KEY else f"{text[:_MOST_KEY]}…"


def _what(letter: Letter) -> str:
    words = [printable(word[:_MOST_KEY]) for word in (letter.content.type, letter.content.workflow) if word is not None]
    return " ".join(words) or ("no value" if letter.value is None else f"{len(letter.value):,} bytes")


def _bytes_text(value: bytes | None) -> str:
    if value is None:
        return "none"
    try:
        return printable(value.decode())
    except UnicodeDecodeError:
        digits = value.hex(" ")
        width = 3 * _DUMP_WIDTH
        lines = [digits[begin : begin + width].rstrip() for begin in range(0, len(digits), width)]
        return f"{len(value):,} bytes\n  " + "\n  ".join(lines)


def _bytes_document(value: bytes | None) -> dict[str, str] | None:
    if value is None:
        return None
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
