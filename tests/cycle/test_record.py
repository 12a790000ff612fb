"""The bytes of what a shard keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec import structs

from hephaestus_stream.core.admission import KeyRecord
from hephaestus_stream.core.state import NodeState, NodeStatus, State
from hephaestus_stream.cycle.record import (
    FORM,
    AnswerRecord,
    Header,
    TimerRecord,
    decode_answer,
    decode_key,
    decode_state,
    decode_timer,
    encode,
    header_of,
)
from hephaestus_stream.errors import ShardClosedError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ANSWER = AnswerRecord("applied", None, None, "run-1", 7, NOW)
TIMER = TimerRecord("k::1", "run-1", "wait", 1, "retry", NOW)


def test_a_record_survives_its_bytes() -> None:
    assert decode_answer(encode(ANSWER)) == ANSWER
    assert decode_timer(encode(TIMER)) == TIMER
    assert decode_key(encode(KeyRecord())) == KeyRecord()
    assert header_of(encode(ANSWER, Header(running=True, expires=5, number=6))) == Header(
        running=True, expires=5, number=6
    )


@pytest.mark.parametrize("read", [header_of, decode_state, decode_key, decode_answer, decode_timer])
def test_a_record_of_a_newer_form_is_not_guessed_at(read: Callable[[bytes], object]) -> None:
    value = bytes([FORM + 1]) + encode(ANSWER)[1:]
    with pytest.raises(ShardClosedError, match=r"the form 4, this version reads up to 3: upgrade this worker"):
        read(value)


def test_a_state_of_the_first_form_gets_the_numbers_that_it_lacks() -> None:
    statuses: tuple[NodeStatus, ...] = ("running", "waiting", "retrying", "completed")
    nodes = {f"is-{status}": NodeState(status) for status in statuses}
    state = State("k::1", "run-1", "Flow", 1, "running", b"null", NOW, NOW, nodes=nodes)
    value = bytes([1]) + encode(state)[1:]
    assert decode_state(value) == structs.replace(state, running=1, waiting=1, pausing=1)
    assert decode_state(encode(state)) == state


def test_a_run_that_was_steered_is_of_a_form_that_earlier_releases_refuse() -> None:
    state = State("k::1", "run-1", "Flow", 1, "running", b"null", NOW, NOW)
    steered = structs.replace(state, paused=True, steered=True)
    assert (encode(state)[0], encode(steered)[0]) == (2, 3)
    assert decode_state(encode(steered)) == steered
