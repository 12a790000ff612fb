"""However full a run is, what is kept and told of it fits into records, its cancel among them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from hephaestus_stream.core.input import StepFailed
from hephaestus_stream.core.limits import MAX_ERRORS_BYTES, MAX_NODES, MAX_PAYLOAD_BYTES
from hephaestus_stream.core.state import EndStatus, Error, Interrupted, NodeState, NodeStatus, Reported, State
from hephaestus_stream.cycle.error_text import HIDDEN
from hephaestus_stream.cycle.publisher import Publisher
from hephaestus_stream.cycle.record import encode
from hephaestus_stream.encryption.marks import MOST_MARKS
from hephaestus_stream.runtime.transaction import RECORD_LIMIT
from hephaestus_stream.wire.topics import Topics
from tests.core.large import wide_flow
from tests.core.play import Play

NOW = datetime(2026, 11, 23, 6, 4, 5, 123456, tzinfo=UTC)
LONGEST_NAME = 100
WORDY = Error("😀" * 100, "😀" * 1_000, "t" * 4_000)
SEALED = Error("😀" * 100, HIDDEN, sealed=b"1" * 30_000)


def fullest(status: EndStatus) -> State:
    """A run of the most nodes with the longest names, that keeps all that it may."""
    share = MAX_ERRORS_BYTES // MAX_NODES
    ended: NodeStatus = "completed" if status == "completed" else "interrupted"
    reported = Reported("done", b"1" * (MAX_PAYLOAD_BYTES // 2 // MAX_NODES))
    node = NodeState(ended, 1_000_000, NOW, NOW, reported, restarts=3, error=WORDY.within(share))
    return State(
        "k" * 100 + "::" + "i" * 200,
        "r" * 100,
        "w" * 200,
        1,
        status,
        b"1" * (MAX_PAYLOAD_BYTES // 2),
        NOW,
        NOW,
        nodes={f"{number:x>{LONGEST_NAME}}": node for number in range(MAX_NODES)},
        error=WORDY.shortened(1_000),
        trace="t" * 600,
        keys=("k" * 109,) * MOST_MARKS,
    )


def test_the_fullest_run_fits_into_its_record_after_its_end_too() -> None:
    assert len(encode(fullest("completed"))) < RECORD_LIMIT - 5_000
    assert len(encode(fullest("cancelled"))) < RECORD_LIMIT - 5_000


def test_the_fullest_run_fits_into_its_record_when_it_failed_and_may_be_retried() -> None:
    state = fullest("failed")
    was = Interrupted("waiting", NOW, True, 9)
    changed: dict[str, Any] = {"reported": None, "settled_at": None, "was": was}
    nodes = {name: replace(node, **changed, otherwise=node.reported) for name, node in state.nodes.items()}
    assert len(encode(replace(state, nodes=nodes))) < RECORD_LIMIT - 5_000


def test_the_completion_of_the_fullest_run_fits_into_a_record() -> None:
    publisher = Publisher(Topics("t"))

    publisher.completion(fullest("completed"), sequence=9)

    [record] = publisher.records
    assert MAX_PAYLOAD_BYTES // 2 < len(record.value or b"") < RECORD_LIMIT - 5_000


@pytest.mark.parametrize("error", [WORDY, SEALED], ids=["plain", "sealed"])
def test_the_errors_of_many_nodes_share_their_room(error: Error) -> None:
    play = Play(wide_flow(500))
    play.emit("first")

    for number in range(500):
        play.tell(StepFailed(f"n{number}", 1, error))

    kept = [node.error for node in play.state.nodes.values() if node.error is not None]
    assert len(kept) == 500
    assert sum(len((error.type + error.message).encode()) for error in kept) < MAX_ERRORS_BYTES * 1.1
    assert not any(error.traceback or error.sealed for error in kept)


def test_the_error_of_a_few_nodes_is_kept_at_length() -> None:
    play = Play(wide_flow(10))
    play.emit("first")

    play.tell(StepFailed("n1", 1, Error("ConnectionError", "x" * 200)))

    assert play.state.nodes["n1"].error == Error("ConnectionError", "x" * 200)
