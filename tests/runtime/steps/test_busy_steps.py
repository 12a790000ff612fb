"""A delay that a step asks for reaches the engine from wherever the step runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream import Workflow
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Order
from tests.cycle.partition import Partition
from tests.runtime.steps.busy_flows import DELAY, ProcessFlow, ThreadFlow


@pytest.mark.parity(10)
@pytest.mark.parametrize("flow", [ThreadFlow, ProcessFlow])
async def test_a_step_asks_for_its_retry_from_a_thread_and_from_a_process(flow: type[Workflow[Order]]) -> None:
    partition = Partition((flow,))
    command = start_command(flow, "a", Order())
    try:
        await partition.finish(await partition.cycle(partition.record(command)))
        [failed] = [event for event in partition.history(command.id) if event.type == "step_failed"]
        asked = partition.state("flow::a", command.id).nodes["call"].due_at
        await partition.finish(await partition.skip(DELAY - timedelta(seconds=1)))
        before = partition.state("flow::a", command.id).nodes["call"].attempt
        await partition.finish(await partition.skip(timedelta(seconds=1)))
    finally:
        await partition.runner.close()

    assert (failed.details["error"], failed.details["message"]) == ("BusyError", "answer 429")
    assert asked == failed.at + DELAY
    assert before == 1
    state = partition.state("flow::a", command.id)
    assert (state.status, state.nodes["call"].attempt) == ("completed", 2)
