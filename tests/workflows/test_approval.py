from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream.errors import CommandRefusedError
from hephaestus_stream.testing import SimulatedRun, Simulator
from workflows.approval import Account, ApprovalFlow, Decision, Expense

PATIENCE = timedelta(hours=4)


async def test_nobody_is_asked_for_a_small_amount() -> None:
    run = await Simulator().start(ApprovalFlow, "e-1", Expense(title="pens", amount=100))

    assert (run.status, run.ended_at) == ("completed", "paid")
    assert run.results["pay"] == {"amount": 100, "approved_by": "nobody", "account": "petty cash"}


@pytest.mark.parity(13)
async def test_the_manager_and_finance_are_asked_at_once() -> None:
    run = await _asked(Simulator())

    assert run.status == "waiting"
    assert set(run.waiting) == {"manager", "finance"}


@pytest.mark.parity(13)
@pytest.mark.parametrize("first", ["manager", "finance"])
async def test_an_expense_is_paid_when_both_have_answered_whoever_comes_first(first: str) -> None:
    simulator = Simulator()
    run = await _asked(simulator)
    if first == "manager":
        run = await simulator.resume(run, ApprovalFlow.manager.approved, Decision(by="grace"))
        assert run.waiting == ("finance",)
        run = await simulator.resume(run, ApprovalFlow.finance.received, Account(account="4711"))
    else:
        run = await simulator.resume(run, ApprovalFlow.finance.received, Account(account="4711"))
        assert run.waiting == ("manager",)
        run = await simulator.resume(run, ApprovalFlow.manager.approved, Decision(by="grace"))

    assert (run.status, run.ended_at) == ("completed", "paid")
    assert run.results["pay"] == {"amount": 900, "approved_by": "grace", "account": "4711"}


async def test_the_director_is_asked_when_the_manager_stays_silent() -> None:
    simulator = Simulator()
    run = await _asked(simulator)

    run = await simulator.skip(run, PATIENCE)
    assert set(run.waiting) == {"director", "finance"}
    run = await simulator.resume(run, ApprovalFlow.director.approved, Decision(by="alan"))
    run = await simulator.resume(run, ApprovalFlow.finance.received, Account(account="4711"))

    assert run.results["pay"] == {"amount": 900, "approved_by": "alan", "account": "4711"}


async def test_a_manager_who_comes_after_the_escalation_is_refused() -> None:
    simulator = Simulator()
    run = await _asked(simulator)
    run = await simulator.skip(run, PATIENCE)

    with pytest.raises(CommandRefusedError, match="manager") as refused:
        await simulator.resume(run, ApprovalFlow.manager.approved, Decision(by="grace"))

    assert refused.value.reason == "settled"


async def test_a_director_who_answers_before_being_asked_is_heard_when_asked() -> None:
    simulator = Simulator()
    run = await _asked(simulator)
    run = await simulator.resume(run, ApprovalFlow.finance.received, Account(account="4711"))
    run = await simulator.resume(run, ApprovalFlow.director.approved, Decision(by="alan"))
    assert run.waiting == ("manager",)

    run = await simulator.skip(run, PATIENCE)

    assert (run.ended_at, run.results["director"]) == ("paid", {"by": "alan", "note": ""})


async def test_a_rejection_ends_the_run_at_once_and_finance_need_not_answer() -> None:
    simulator = Simulator()
    run = await _asked(simulator)

    run = await simulator.resume(run, ApprovalFlow.manager.rejected, Decision(by="grace", note="too dear"))

    assert (run.status, run.ended_at, run.waiting) == ("completed", "rejected", ())
    assert [event.node for event in run.history if event.type == "interrupted"] == ["finance"]


async def test_an_expense_that_nobody_answers_fails_and_says_so() -> None:
    simulator = Simulator()
    run = await _asked(simulator)

    run = await simulator.skip(run, 2 * PATIENCE)

    assert (run.status, run.ended_at) == ("failed", "unanswered")
    assert run.error == "Failed: neither the manager nor the director answered"


async def test_an_expense_without_an_account_fails_after_a_month() -> None:
    simulator = Simulator()
    run = await _asked(simulator)
    run = await simulator.resume(run, ApprovalFlow.manager.approved, Decision(by="grace"))

    run = await simulator.skip(run, timedelta(days=30))

    assert (run.status, run.ended_at) == ("failed", "unfunded")


async def _asked(simulator: Simulator) -> SimulatedRun:
    return await simulator.start(ApprovalFlow, "e-1", Expense(title="chairs", amount=900, patience=PATIENCE))
