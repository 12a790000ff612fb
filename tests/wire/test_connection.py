"""How the raw options of a user reach the clients of Kafka."""

from __future__ import annotations

import pytest

from hephaestus_stream.wire.connection import OWN_OPTIONS, Connection


def test_raw_options_pass_through_by_their_own_names() -> None:
    connection = Connection("one:9092", options={"security.protocol": "SSL", "socket.timeout.ms": "1000"})
    assert connection.librdkafka(linger_ms=0) == {
        "security.protocol": "SSL",
        "socket.timeout.ms": "1000",
        "bootstrap.servers": "one:9092",
        "linger.ms": 0,
    }


def test_options_that_the_engine_depends_on_reach_no_client() -> None:
    hostile = dict.fromkeys([*OWN_OPTIONS, "bootstrap.servers", "linger.ms"], "theirs")
    assert Connection("one:9092", options=hostile).librdkafka(group_id="ours", linger_ms=0) == {
        "bootstrap.servers": "one:9092",
        "group.id": "ours",
        "linger.ms": 0,
    }


def test_options_that_the_engine_leaves_out_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        Connection("one:9092", options={"group.id": "theirs", "acks": "1", "linger.ms": "5"})
    [warning] = caplog.messages
    assert "are the engine's own, and without effect: acks, group.id;" in warning
