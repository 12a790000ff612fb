from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream.testing import SimulatedRun, Simulator
from workflows.order import ChargeCard, Order, OrderFlow, Payment, Reservation, ReserveStock, Review


@pytest.mark.parity(4, 14)
async def test_an_order_of_nothing_is_rejected() -> None:
    run = await Simulator().start(OrderFlow, "o-1", Order(sku="chair", quantity=0, customer="ada"))

    assert (run.status, run.ended_at, run.path) == ("completed", "rejected", ("validate", "rejected"))


@pytest.mark.parity(3)
async def test_stock_and_card_are_asked_side_by_side_and_the_parcel_is_packed_once_after_both() -> None:
    run = await Simulator().start(OrderFlow, "o-1", Order(sku="chair", quantity=2, customer="ada"))

    assert set(run.path[1:3]) == {"reserve", "charge"}
    assert run.path[3] == "pack"
    assert run.path.count("pack") == 1
    assert run.results["charge"] == {"reference": f"orderid::o-1/{run.run}/charge/EUR"}
    assert run.results["pack"] == {"number": "B-o-1"}


async def test_a_parcel_is_packed_only_when_the_charge_has_come_through_as_well() -> None:
    simulator = Simulator()
    simulator.stub(OrderFlow.charge, ConnectionError("down"), ChargeCard.charged(Payment(reference="p-1")))
    run = await simulator.start(OrderFlow, "o-1", Order(sku="chair", quantity=2, customer="ada"))
    assert run.path == ("validate", "reserve")

    run = await simulator.skip(run, timedelta(seconds=1))

    assert "pack" in run.path
    assert run.results["charge"] == {"reference": "p-1"}


@pytest.mark.parity(10)
async def test_a_card_is_charged_again_after_the_bank_hung_up() -> None:
    simulator = Simulator()
    run = await simulator.start(OrderFlow, "o-1", Order(sku="chair", quantity=2, customer="ada", card="flaky"))
    assert "charge" not in run.path

    run = await simulator.skip(run, timedelta(seconds=1))

    assert [event.attempt for event in run.history if event.node == "charge" and event.type == "step_started"] == [1, 2]
    assert "charge" in run.path


@pytest.mark.parity(14)
async def test_a_declined_card_ends_the_order_without_a_parcel() -> None:
    simulator = Simulator()
    simulator.stub(OrderFlow.reserve, ReserveStock.reserved(Reservation(warehouse="C")))
    run = await simulator.start(OrderFlow, "o-1", Order(sku="chair", quantity=2, customer="ada", card="declined"))

    assert (run.status, run.ended_at, run.error) == ("failed", "declined", "Failed: the card was declined")
    assert "pack" not in run.path


@pytest.mark.parity(5)
async def test_an_express_order_goes_with_the_express_carrier_only() -> None:
    run = await Simulator().start(OrderFlow, "o-1", Order(sku="chair", quantity=2, customer="ada", express=True))

    assert "express" in run.path
    assert "standard" not in run.path


@pytest.mark.parity(12)
async def test_an_order_is_done_when_its_review_has_come() -> None:
    simulator = Simulator()
    run = await _delivered(simulator)
    assert run.waiting == ("review",)

    run = await simulator.resume(run, OrderFlow.review.received, Review(stars=5))

    assert (run.status, run.ended_at, run.results["review"]) == ("completed", "done", {"stars": 5})


@pytest.mark.parity(12)
async def test_an_order_that_nobody_reviews_is_done_after_a_month() -> None:
    simulator = Simulator()
    run = await _delivered(simulator)

    run = await simulator.skip(run, timedelta(days=30))

    assert (run.status, run.ended_at) == ("completed", "done")
    assert run.results["review"] is None


async def _delivered(simulator: Simulator) -> SimulatedRun:
    run = await simulator.start(OrderFlow, "o-1", Order(sku="chair", quantity=2, customer="ada"))
    assert run.waiting == ("cool_off",)
    return await simulator.skip(run, timedelta(seconds=2))
