"""JSON that everybody can read back: without NaN, and without nesting or numbers that no parser takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, cast

import msgspec

# Below the limits of the parsers that read payloads back, inside outputs, where they stand some levels deeper.
MAX_DEPTH: Final = 100
# Python's own parsers read no longer numbers, unless told otherwise.
_MOST_DIGITS: Final = 4_300

_LONG_NUMBER: Final = re.compile(rb"[0-9]{%d}" % (_MOST_DIGITS + 1))
_DECODER: Final = msgspec.json.Decoder()


def require_sound(encoded: bytes) -> bytes:
    """The same JSON, where everybody can read it; it is only looked into where its bytes raise a suspicion.

    Raises:
        ValueError: It is none, which the message explains as of something that `it` holds.
    """
    has_words = b"NaN" in encoded or b"Infinity" in encoded
    has_long = len(encoded) > _MOST_DIGITS and _LONG_NUMBER.search(encoded) is not None
    if has_words or has_long or _has_many_brackets(encoded):
        try:
            value: object = _DECODER.decode(encoded)  # the words and the digits may stand inside a text
        except RecursionError:
            raise _too_deep() from None
        except msgspec.DecodeError:
            raise ValueError(
                f"it holds a number of more than {_MOST_DIGITS:,} digits, which nobody reads back: send a text"
                if has_long
                else "it holds NaN or an infinity, which JSON does not have: send null or a text"
            ) from None
        if is_too_deep(value, encoded):
            raise _too_deep()
    return encoded


def is_too_deep(value: object, encoded: bytes) -> bool:
    """Whether JSON nests beyond the limit, judged by its brackets where those are few, as they nearly always are."""
    if not _has_many_brackets(encoded):
        return False
    depth = 0
    level: list[object] = [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [inner for outer in level for inner in _members(outer) if isinstance(inner, (dict, list))]
    return depth > MAX_DEPTH


def _has_many_brackets(encoded: bytes) -> bool:
    return encoded.count(b"[") + encoded.count(b"{") > MAX_DEPTH


def _too_deep() -> ValueError:
    return ValueError(f"it nests deeper than {MAX_DEPTH} levels: flatten it")


def _members(value: object) -> list[object]:
    """What a JSON array or object holds."""
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).values())
    return list(cast("Sequence[object]", value)) if isinstance(value, (list, tuple)) else []
