"""A simulator with keys: the same verbs, the same runs, and nothing plain in the engine's record."""

from __future__ import annotations

from datetime import timedelta

from hephaestus_stream import Keyring
from hephaestus_stream.testing import SimulatedRun, Simulator
from workflows.order import Order, OrderFlow, Reservation, ReserveStock, Review

KEYS = Keyring({"2026-01": bytes(32)})
ORDER = Order(sku="marker-4711", quantity=2, customer="ada")


async def reviewed(simulator: Simulator) -> SimulatedRun:
    """An order with a route, a fan-out, a stub, a crash and an event from outside."""
    simulator.stub(
        OrderFlow.reserve, ConnectionError("down"), ReserveStock.reserved(Reservation(warehouse="marker-4711"))
    )
    run = await simulator.start(OrderFlow, "abc123", ORDER, command_id="run-1")
    run = await simulator.skip(run, timedelta(minutes=1))
    await simulator.crash()
    return await simulator.resume(run, OrderFlow.review.received, Review(stars=5))


async def test_a_run_is_the_same_with_keys_and_without() -> None:
    plain, encrypted = await reviewed(Simulator()), await reviewed(Simulator(keys=KEYS))
    assert encrypted.status == "completed"
    assert encrypted.result(OrderFlow.reserve.reserved) == Reservation(warehouse="marker-4711")
    for field in ("status", "ended_at", "path", "results", "attempts", "due_at"):
        assert getattr(encrypted, field) == getattr(plain, field)
    assert [event.type for event in encrypted.history] == [event.type for event in plain.history]


async def test_the_record_of_a_run_holds_nothing_plain() -> None:
    run = await reviewed(Simulator(keys=KEYS))
    assert "marker-4711" in repr(run.results)
    assert "marker-4711" not in repr(run.state)
    assert "marker-4711" in repr((await reviewed(Simulator())).state)
