"""An expense is approved by people: some of them are asked at once, and who does not answer is passed over.

Shows a step of one's own that waits for a person (two external events, and an outcome for silence), an escalation to
the same step at another node, two waits side by side, and an ending that interrupts.

    hephaestus dev workflows.approval
    hephaestus start workflows.approval:ApprovalFlow e-1 --input '{"title": "chairs", "amount": 900, "patience": 60}'
    hephaestus resume workflows.approval:ApprovalFlow e-1 manager.approved --payload '{"by": "grace"}'
    hephaestus resume workflows.approval:ApprovalFlow e-1 finance.received --payload '{"account": "4711"}'

Without an answer of the manager within the patience, the director is asked. Start an e-2 with less of it, wait
that long, and answer for the director:

    hephaestus start workflows.approval:ApprovalFlow e-2 --input '{"title": "desks", "amount": 900, "patience": 20}'
    hephaestus resume workflows.approval:ApprovalFlow e-2 director.rejected --payload '{"by": "alan", "note": "no"}'
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Failed, Instance, Outcome, Step, Suspend, WaitForEvent, Workflow

SMALL_AMOUNT: Final = 100
"""Up to this amount nobody is asked."""


class Expense(BaseModel, frozen=True):
    """What somebody wants to have paid, and how long each person asked may take."""

    title: str
    amount: int
    patience: timedelta = timedelta(days=2)


class Decision(BaseModel, frozen=True):
    """What a person says to it."""

    by: str
    note: str = ""


class Account(BaseModel, frozen=True):
    """Where the money comes from."""

    account: str


class Transfer(BaseModel, frozen=True):
    """What was paid, who allowed it, and from where."""

    amount: int
    approved_by: str
    account: str


class Register(Step[Expense]):
    """Says whether anybody needs to be asked."""

    small = Event()
    large = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Expense]) -> Outcome:
        return self.small() if context.initial.amount <= SMALL_AMOUNT else self.large()


class AskForApproval(Step[Expense]):
    """Asks a person and waits; the answer comes as one of the two external events, silence as the third."""

    approved = Event(Decision, external=True)
    rejected = Event(Decision, external=True)
    overdue = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Expense]) -> Outcome:
        return Suspend(timeout=context.initial.patience, otherwise=self.overdue())


class Pay(Step[Expense]):
    """Pays what was approved by whomever, from the account that finance named."""

    paid = Event(Transfer)

    async def execute(self, instance: Instance, config: None, context: Context[Expense]) -> Outcome:
        amount = context.initial.amount
        if amount <= SMALL_AMOUNT:
            return self.paid(Transfer(amount=amount, approved_by="nobody", account="petty cash"))
        # By the step: manager or director said it, and only one of them can have.
        approval = context.result(AskForApproval.approved)
        account = context.result(ApprovalFlow.finance.received).account
        return self.paid(Transfer(amount=amount, approved_by=approval.by, account=account))


class ApprovalFlow(Workflow[Expense], key="expense", tags=("finance",)):
    """Ask the manager, else the director, and finance beside them; then pay.

    Graph, drawn by `hephaestus docs`::

                        ┌────────────┐
                        │ ▶ register │
                        └──┬──────┬──┘
                         small  large
         ┌─────────────────┘      ├─────────────────────┐
         │    ┌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌┐   ┌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌┐
         │    ┆          manager          ┆   ┆      finance      ┆
         │    └╌╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌┘   └╌╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌┘
         │     approved  rejected  overdue     received  timed_out
         └─────┬───┴─────────│────────│────────────┘         │
               │     ┌───────┘        │                      │
               │     │    ┌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┐   ╔══▼═══════╗
               │     │    ┆         director          ┆   ║ unfunded ║
               │     │    └╌╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌┬╌╌╌┘   ╚══════════╝
               │     │     approved  rejected  overdue
               └───┬─│─────────┘         │        │
                   │ └───────────┬───────┘        │
                ┌──▼──┐   ╭──────▼───╮   ╔════════▼═══╗
                │ pay │   │ rejected │   ║ unanswered ║
                └──┬──┘   ╰──────────╯   ╚════════════╝
                 paid
                ╭──▼───╮
                │ paid │
                ╰──────╯

    End of the graph.
    """

    register = Register()
    manager = AskForApproval()
    director = AskForApproval()
    finance = WaitForEvent(Account, timeout=timedelta(days=30))
    pay = Pay()
    paid = Done()
    rejected = Done(interrupts=True)  # finance need not go on looking for the money
    unanswered = Failed("neither the manager nor the director answered")
    unfunded = Failed("finance named no account")

    start = register
    transitions = (
        register.small.to(pay),
        register.large.to(manager, finance),
        manager.approved.to(pay),
        manager.rejected.to(rejected),
        manager.overdue.to(director),
        director.approved.to(pay),
        director.rejected.to(rejected),
        director.overdue.to(unanswered),
        finance.received.to(pay),
        finance.timed_out.to(unfunded),
        pay.paid.to(paid),
    )
