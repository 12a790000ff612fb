"""What anybody may publish: any bytes, and commands that are wrong in one place or in many."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

VALID: tuple[dict[str, Any], ...] = (
    {"type": "start", "id": "c-1", "workflow": "Chain", "key": "chain::a", "input": {"quantity": 2}},
    {
        "type": "start",
        "id": "c-2",
        "workflow": "Review",
        "version": 3,
        "key": "review::a",
        "input": {"note": "explode"},
    },
    {"type": "resume", "id": "c-3", "workflow": "Review", "key": "review::a", "node": "stars", "event": "received"},
    {
        "type": "resume",
        "id": "c-4",
        "workflow": "Twice",
        "key": "twice::a",
        "event": "received",
        "payload": {"stars": 1},
    },
    {"type": "migrate", "schema": 2, "id": "c-5", "workflow": "Review", "key": "review::a", "to_version": 3},
    {"type": "cancel", "id": "c-6", "workflow": "Review", "key": "review::a", "reason": "so"},
)
FIELDS = sorted({field for command in VALID for field in command} | {"tags", "metadata", "on_conflict", "run", "typo"})

odd_texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "\x00", "\ud800", "\ufeff", "a::b::c", "::", "k::", "x" * 300, "chain::\x00", "²", "NaN"]),
)
odd_numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**30, 10**4_299]),
)
odd_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), odd_numbers, odd_texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(odd_texts, inner, max_size=3)),
    max_leaves=8,
)


@st.composite
def damaged_commands(draw: st.DrawFn) -> bytes:
    """A command with fields that are changed, left out, or new; then perhaps with bytes that are."""
    document = dict(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 3))):
        field = draw(st.sampled_from(FIELDS))
        if draw(st.booleans()):
            document[field] = draw(odd_values)
        else:
            document.pop(field, None)
    encoded = _written(document, ascii_only=draw(st.booleans()))
    return draw(damaged(encoded)) if draw(st.integers(0, 3)) == 0 else encoded


def _written(document: dict[str, Any], *, ascii_only: bool) -> bytes:
    return json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass")


@st.composite
def damaged(draw: st.DrawFn, value: bytes) -> bytes:
    """Bytes with a piece that is replaced, or given twice, or nested."""
    begin = draw(st.integers(0, len(value)))
    end = draw(st.integers(begin, min(len(value), begin + 8)))
    piece = draw(
        st.one_of(
            st.binary(max_size=8),
            st.just(value[begin:end] * 2),
            st.sampled_from(
                [b"[" * 200, b'{"a":' * 90, b"9" * 5_000, b"1e999999", b"\xef\xbb\xbf", b"\\ud800", b"NaN"]
            ),
        )
    )
    return value[:begin] + piece + value[end:]


commands = st.one_of(
    st.binary(max_size=200), damaged_commands(), st.sampled_from(VALID).map(json.dumps).map(str.encode)
)
values = st.one_of(st.none(), commands)
header_names = st.one_of(
    st.sampled_from(["reply_partition", "forwarded", "replay", "traceparent", "tracestate"]), st.text(max_size=5)
)
header_values = st.one_of(
    st.none(),
    st.binary(max_size=80),
    st.sampled_from(
        [b"0", b"1", b"-1", b"0x1", b"9" * 20, "²".encode(), b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"]
    ),
)
headers = st.lists(st.tuples(header_names, header_values), max_size=4)
