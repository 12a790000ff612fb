from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hephaestus_stream.testing import SimulatedRun, Simulator
from workflows.permit import Application, PermitFlow, Work

OPENED = datetime(2011, 3, 1, 9, tzinfo=UTC)
FIRST_LINE = (
    PermitFlow.t02_check_confirmation.received,
    PermitFlow.t04_determine_confirmation.received,
    PermitFlow.t05_send_confirmation.received,
)
SECOND_LINE = (
    PermitFlow.t06_determine_stop_advice.received,
    PermitFlow.t10_determine_stop_indication.received,
)


async def test_a_case_opens_two_lines_of_work_side_by_side() -> None:
    run = await _opened(Simulator())

    assert set(run.waiting) == {"t02_check_confirmation", "t06_determine_stop_advice"}


@pytest.mark.parity(13)
async def test_one_line_goes_on_while_the_other_waits() -> None:
    simulator = Simulator()
    run = await _opened(simulator)

    for event in FIRST_LINE:
        run = await simulator.resume(run, event, _work(hours=1))

    assert (run.status, run.waiting) == ("waiting", ("t06_determine_stop_advice",))


async def test_the_phase_is_over_when_both_lines_have_ended_and_is_summed_up() -> None:
    simulator = Simulator()
    run = await _opened(simulator)

    for hours, event in enumerate((*SECOND_LINE, *FIRST_LINE), start=1):
        run = await simulator.resume(run, event, _work(hours=hours))

    assert (run.status, run.ended_at) == ("completed", "done")
    assert run.results["close_receipt"] == {"duration": "PT5H", "clerks": 2}


async def test_work_reported_before_its_step_waits_is_kept_and_taken_then() -> None:
    simulator = Simulator()
    run = await _opened(simulator)
    run = await simulator.resume(run, FIRST_LINE[2], _work(hours=3))
    run = await simulator.resume(run, FIRST_LINE[1], _work(hours=2))
    assert set(run.waiting) == {"t02_check_confirmation", "t06_determine_stop_advice"}

    run = await simulator.resume(run, FIRST_LINE[0], _work(hours=1))

    assert run.waiting == ("t06_determine_stop_advice",)
    assert run.path[-3:] == ("t02_check_confirmation", "t04_determine_confirmation", "t05_send_confirmation")


async def _opened(simulator: Simulator) -> SimulatedRun:
    application = Application(
        received_at=OPENED,
        resource="Resource01",
        group="Group 1",
        channel="Internet",
        department="General",
        deadline=OPENED + timedelta(days=56),
    )
    return await simulator.start(PermitFlow, "case-1", application)


def _work(*, hours: int) -> Work:
    return Work(timestamp=OPENED + timedelta(hours=hours), resource="Resource02")
