from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream import Context, Instance, Outcome, Step, Suspend
from hephaestus_stream.errors import SimulatorError
from hephaestus_stream.testing import HANGS, Simulator, Stub
from tests.testing.flows import CHAIR, Bank, Buying, Charge, Check, Pack, Payment, Purchase
from workflows.order import ChargeCard, ChargeConfig, Order, OrderFlow
from workflows.order import Payment as CardPayment

PAID = Payment(reference="p-1")


async def test_the_attempts_of_a_node_end_with_its_stubs_one_by_one() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, ConnectionError("down"), TimeoutError("late"), Charge.charged(PAID))
    run = await simulator.start(Buying, "1", CHAIR)
    run = await simulator.skip(run, timedelta(seconds=10))

    assert [event.details["error"] for event in run.history if event.type == "step_failed"] == [
        "ConnectionError",
        "TimeoutError",
    ]
    assert (run.attempts["charge"], run.result(Buying.charge.charged)) == (3, PAID)


async def test_the_last_stub_repeats_for_other_runs_too() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, Charge.declined(), Charge.charged(PAID))
    runs = [await simulator.start(Buying, id, CHAIR) for id in ("1", "2", "3")]  # noqa: A001 - the wire's own word

    assert [run.ended_at for run in runs] == ["declined", None, None]
    assert runs[2].result(Buying.charge.charged) == PAID


async def test_a_function_is_called_as_execute_is() -> None:
    seen: list[tuple[str, str, str]] = []

    async def charge(instance: Instance, config: ChargeConfig, context: Context[Order]) -> Outcome:
        seen.append((instance.id, config.currency, context.initial.sku))
        return ChargeCard.charged(CardPayment(reference="p-1"))

    simulator = Simulator()
    simulator.stub(OrderFlow.charge, charge)
    run = await simulator.start(OrderFlow, "o-1", Order(sku="chair", quantity=1, customer="ada"))

    assert seen == [("o-1", "EUR", "chair")]
    assert run.result(OrderFlow.charge.charged).reference == "p-1"


async def test_a_function_may_be_async_where_the_step_is_not_and_the_other_way_round() -> None:
    async def pack(instance: Instance, _config: None, _context: Context[Purchase]) -> Outcome:
        return Pack.packed(f"box of {instance.id}")

    simulator = Simulator()
    simulator.stub(Buying.pack, pack)
    simulator.stub(Buying.check, lambda _instance, _config, _context: Check.valid())
    run = await simulator.start(Buying, "1", Purchase(amount=0))

    assert run.results["pack"] == "box of 1"


async def test_what_a_function_raises_is_a_failed_attempt() -> None:
    def refuse(_instance: Instance, _config: None, _context: Context[Purchase]) -> Outcome:
        raise ConnectionError("down")

    simulator = Simulator()
    simulator.stub(Buying.charge, refuse)
    run = await simulator.start(Buying, "1", CHAIR)

    assert [event.details["message"] for event in run.history if event.type == "step_failed"] == ["down"]


async def test_what_a_function_returns_is_checked_when_it_is_called() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, lambda _instance, _config, _context: Check.valid())
    run = await simulator.start(Buying, "1", CHAIR)

    assert run.error is not None
    assert run.error.startswith("BadOutcome: 'valid' is not an event of charge")


async def test_a_node_gets_its_own_code_back() -> None:
    simulator, bank = Simulator(), Bank()
    simulator.stub(Buying.charge, bank.charge)
    await simulator.start(Buying, "1", CHAIR)
    simulator.unstub(Buying.charge)
    run = await simulator.start(Buying, "2", CHAIR)

    assert bank.keys == [f"purchase::1/{simulator.runs()[0].run}/charge"]
    assert run.result(Buying.charge.charged).reference == f"purchase::2/{run.run}/charge"


async def test_new_stubs_take_the_place_of_former_ones() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, ConnectionError("down"))
    simulator.stub(Buying.charge, Charge.declined())
    run = await simulator.start(Buying, "1", CHAIR)

    assert run.ended_at == "declined"


async def test_a_hanging_attempt_ends_with_its_run() -> None:
    simulator = Simulator()
    simulator.stub(Buying.charge, HANGS)
    run = await simulator.start(Buying, "1", CHAIR)
    assert (run.status, run.running) == ("running", ("charge",))

    run = await simulator.cancel(run, reason="the customer called")

    assert (run.status, run.running) == ("cancelled", ())


@pytest.mark.parametrize(
    ("stub", "said"),
    [
        (Check.valid(), "emits 'valid' of Check, which is no event of it; it has charged, declined"),
        (OrderFlow.charge.declined(None), "emits 'declined' of ChargeCard, which is no event of it"),  # type: ignore[arg-type]
        (Charge.charged(None), "emits 'charged', which carries a Payment, with nothing"),  # type: ignore[arg-type]
        (Charge.charged(CHAIR), "emits 'charged', which carries a Payment, with a Purchase"),  # type: ignore[arg-type]
        (Charge.declined(PAID), "emits 'declined' with a payload, but it carries nothing"),  # type: ignore[call-overload]
        (Charge.declined(metadata={"at": object()}), "emits 'declined' with metadata that are not JSON"),
        (Suspend(timeout=timedelta(1), otherwise=Check.valid()), "emits 'valid' of Check"),
        (Charge.declined, "is the event declined itself; call it, as declined(...)"),
        (Buying.charge.declined, "is the event charge.declined itself; call it"),
        (ConnectionError, "give an outcome, an exception object, a function or HANGS"),
        ("declined", "is 'declined'; give an outcome"),
    ],
)
def test_a_stub_that_the_step_could_not_return_is_refused_at_its_line(stub: Stub, said: str) -> None:
    with pytest.raises(SimulatorError) as refused:
        Simulator().stub(Buying.charge, stub)

    assert str(refused.value).startswith("the stub of Buying.charge ")
    assert said in str(refused.value)


def test_a_payload_that_is_wrong_as_a_whole_is_called_it() -> None:
    with pytest.raises(SimulatorError, match="which carries a str, with a int: it: Input should be a valid string"):
        Simulator().stub(Buying.pack, Pack.packed(5))  # type: ignore[arg-type]


def test_a_wait_without_a_timeout_cannot_time_out() -> None:
    class Endless(Step[object]):
        pass

    with pytest.raises(SimulatorError, match="no event of it"):
        Simulator().stub(Endless(), OrderFlow.review.timed_out())


def test_only_steps_are_stubbed() -> None:
    with pytest.raises(SimulatorError, match=r"Buying\.done is an ending, which does nothing"):
        Simulator().stub(Buying.done, HANGS)
    with pytest.raises(SimulatorError, match=r"is no node; stub one of a workflow, as OrderFlow\.charge"):
        Simulator().stub(Charge, HANGS)  # type: ignore[arg-type]
    with pytest.raises(SimulatorError, match=r"the stub of Buying\.charge says nothing"):
        Simulator().stub(Buying.charge)
