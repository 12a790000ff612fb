from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream import MissingResultError
from hephaestus_stream.testing import HANGS, Simulator
from tests.testing.flows import CHAIR, Buying, Charge, Payment, Purchase


async def test_a_completed_step_has_a_result_and_it_is_none_where_the_event_carries_nothing() -> None:
    run = await Simulator().start(Buying, "1", CHAIR)

    assert dict(run.results) == {
        "check": None,
        "charge": {"reference": f"purchase::1/{run.run}/charge"},
        "pack": "parcel of 1",
    }


async def test_a_result_is_read_as_its_model() -> None:
    run = await Simulator().start(Buying, "1", CHAIR)

    assert run.result(Buying.charge.charged) == Payment(reference=f"purchase::1/{run.run}/charge")
    with pytest.raises(
        MissingResultError, match=r"no result of review\.received; it has check\.valid, charge\.charged"
    ):
        run.result(Buying.review.received)
    with pytest.raises(MissingResultError, match="carries no payload"):
        run.result(Buying.check.valid)


async def test_a_snapshot_does_not_change() -> None:
    simulator = Simulator()
    first = await simulator.start(Buying, "1", CHAIR)
    second = await simulator.skip(first, timedelta(days=14))

    assert (first.waiting, second.waiting) == (("cool_off",), ("review",))
    assert simulator.get(first) == second


async def test_a_run_is_drawn_with_the_path_that_it_has_taken() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, Charge.declined())
    run = await simulator.start(Buying, "1", CHAIR)

    lines = str(run).splitlines()
    assert lines[:2] == ["Buying purchase::1 failed at declined", "Failed: the card was declined"]
    drawing = "\n".join(lines)
    for sign in ("✓ ▶ check", "✓ charge", "✓ declined", "· invalid"):
        assert sign in drawing


async def test_a_run_is_told_in_one_line() -> None:
    simulator = Simulator()
    run = await simulator.start(Buying, "1", CHAIR)
    assert repr(run) == "<SimulatedRun Buying purchase::1 waiting at cool_off>"
    assert (await simulator.cancel(run)).title == "Buying purchase::1 cancelled"
    run = await simulator.start(Buying, "2", Purchase(amount=0))
    assert run.title == "Buying purchase::2 completed at refused"
    simulator.stub(Buying.charge, HANGS)
    run = await simulator.start(Buying, "3", CHAIR)
    assert run.title == "Buying purchase::3 running at charge"
