"""The debug step."""

from __future__ import annotations

import logging

import pytest

from hephaestus_stream import Context, Debug, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.testing import Simulator


class Count(Step[int]):
    """Adds one."""

    counted = Event(int)

    async def execute(self, instance: Instance, config: None, context: Context[int]) -> Outcome:
        return self.counted(context.initial + 1)


class Flow(Workflow[int], key="flow"):
    count = Count()
    show = Debug("halfway")
    end = Done()
    start = count
    transitions = (count.counted.to(show), show.logged.to(end))


@pytest.mark.parity(14)
async def test_a_debug_step_writes_one_line_with_what_it_sees_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hephaestus_stream.debug")

    run = await Simulator().start(Flow, "a", 41)

    [line] = [record.getMessage() for record in caplog.records if record.name == "hephaestus_stream.debug"]
    assert line == f"flow::a: halfway (run {run.run}, initial 41, results {{'count': 42}})"
    assert (run.status, run.ended_at) == ("completed", "end")
