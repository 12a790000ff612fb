"""Headers of a command: where its answer goes, and the trace that it belongs to.

A header that makes no sense is as good as none: a client's bad header must harm nobody, the client itself included.
So a command with a bad `reply_partition` is applied; only nobody is told, and a refusal goes to the dead letters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

REPLY_PARTITION: Final = "reply_partition"

REPLAY: Final = "replay"
"""Of a command that comes from the dead letters: which letter it was. A remembered refusal counts no longer."""

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
"""W3C Trace Context: the header that continues a trace, and what vendors add to it."""

_MOST_DIGITS: Final = 10
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# What W3C asks everybody to pass on at least; a longer one is dropped, since each run keeps its own.
_TRACESTATE: Final = re.compile(rb"[\x20-\x7e]{1,512}")


def reply_partition(headers: Headers | None, *, partitions: int) -> int | None:
    """The partition of `replies` that the answer goes to; None where no answer was asked for, or not soundly."""
    value = last_header(headers, REPLY_PARTITION)
    # The length is bound first: a million digits are no number anybody waits for.
    if value is None or len(value) > _MOST_DIGITS or not value.isdigit():
        return None
    partition = int(value)
    return partition if partition < partitions else None


def trace_of(headers: Headers | None) -> str | None:
    """The trace that a record belongs to, as one text; None where it names none, or not soundly."""
    parent = last_header(headers, TRACEPARENT)
    if parent is None or _TRACEPARENT.fullmatch(parent) is None:
        return None
    state = last_header(headers, TRACESTATE)
    if state is None or _TRACESTATE.fullmatch(state) is None:
        return parent.decode()
    return f"{parent.decode()} {state.decode()}"


def trace_headers(trace: str | None) -> list[tuple[str, bytes]]:
    """The headers of a record that belongs to a trace, which `trace_of` reads again."""
    if trace is None:
        return []
    parent, _, state = trace.partition(" ")
    headers = [(TRACEPARENT, parent.encode())]
    return [*headers, (TRACESTATE, state.encode())] if state else headers


def last_header(headers: Headers | None, name: str) -> bytes | None:
    """The value of a header; the last one counts where it stands twice, as in Java's `lastHeader`."""
    for header, value in reversed(headers or ()):
        if header == name:
            return value
    return None
