from __future__ import annotations

import json

import pytest
from pydantic import JsonValue, TypeAdapter

from hephaestus_stream.wire.sound_json import MAX_DEPTH, require_sound

SOUND = {
    "the deepest": b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
    "many brackets beside each other": b"[" + b",".join([b"{}"] * 500) + b"]",
    "brackets in a text": json.dumps("[" * 500).encode(),
    "words in a text": b'"NaN and Infinity"',
    "digits in a text": json.dumps("9" * 5_000).encode(),
    "the longest number": b"9" * 4_300,
}
UNSOUND = {
    "NaN": (b'{"rate":NaN}', "NaN or an infinity"),
    "an infinity": (b"[-Infinity]", "NaN or an infinity"),
    "too deep": (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "deeper than 100 levels"),
    "far too deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deeper than 100 levels"),
    "too long a number": (b"[" + b"9" * 4_301 + b"]", "more than 4,300 digits"),
}


@pytest.mark.parametrize("encoded", SOUND.values(), ids=SOUND)
def test_json_that_everybody_reads_passes_as_it_is(encoded: bytes) -> None:
    assert require_sound(encoded) is encoded
    assert json.loads(encoded) == TypeAdapter[JsonValue](JsonValue).validate_json(encoded)


@pytest.mark.parametrize(("encoded", "why"), UNSOUND.values(), ids=UNSOUND)
def test_json_that_somebody_cannot_read_is_refused_with_the_way_out(encoded: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        require_sound(encoded)
