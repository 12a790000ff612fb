from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.wire.headers import trace_headers, trace_of
from tests.telemetry.recorder import TRACEPARENT

SOUND = TRACEPARENT.encode()


@pytest.mark.parity(21)
def test_a_trace_is_read_from_the_headers_it_was_written_to() -> None:
    headers = [("other", b"1"), ("traceparent", SOUND), ("tracestate", b"vendor=a,other=b")]

    trace = trace_of(headers)

    assert trace_headers(trace) == headers[1:]
    assert trace_of(headers[:2]) == TRACEPARENT
    assert trace_headers(TRACEPARENT) == headers[1:2]
    assert trace_headers(None) == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff",
        SOUND.upper(),
        SOUND + b"-more",
        SOUND[:-1],
        b"ff" + SOUND[2:],
        b"00-" + b"0" * 32 + SOUND[35:],
        SOUND[:36] + b"0" * 16 + b"-01",
    ],
)
def test_a_bad_traceparent_is_as_good_as_none(value: bytes | None) -> None:
    assert trace_of([("traceparent", value), ("tracestate", b"vendor=a")]) is None


@pytest.mark.parametrize("value", [b"", b"a" * 513, "ä".encode(), b"a\nb", None])
def test_a_bad_tracestate_is_dropped_alone(value: bytes | None) -> None:
    assert trace_of([("traceparent", SOUND), ("tracestate", value)]) == TRACEPARENT


@given(st.binary(), st.binary())
def test_any_headers_name_a_trace_that_can_be_written_again_or_none(parent: bytes, state: bytes) -> None:
    trace = trace_of([("traceparent", parent), ("tracestate", state)])

    assert trace is None or trace_of(trace_headers(trace)) == trace
