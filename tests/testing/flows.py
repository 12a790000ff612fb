"""A purchase, and a bank that writes down what it is asked for: the tests of the simulator share them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Failed, Instance, Outcome, Step, Wait, WaitForEvent, Workflow


class Purchase(BaseModel, frozen=True):
    amount: int


class Payment(BaseModel, frozen=True):
    reference: str


class Check(Step[Purchase]):
    valid = Event()
    invalid = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Purchase]) -> Outcome:
        return self.valid() if context.initial.amount > 0 else self.invalid()


class Charge(Step[Purchase]):
    charged = Event(Payment)
    declined = Event()
    timeout = timedelta(seconds=20)

    async def execute(self, instance: Instance, config: None, context: Context[Purchase]) -> Outcome:
        return self.charged(Payment(reference=context.idempotency_key))


class Pack(Step[Purchase]):
    packed = Event(str)

    def execute(self, instance: Instance, config: None, context: Context[Purchase]) -> Outcome:
        return self.packed(f"parcel of {instance.id}")


class Buying(Workflow[Purchase], key="purchase"):
    check = Check()
    charge = Charge()
    pack = Pack()
    cool_off = Wait(timedelta(days=14))
    review = WaitForEvent(str, timeout=timedelta(days=30))
    done = Done()
    refused = Done()
    declined = Failed("the card was declined")

    start = check
    transitions = (
        check.valid.to(charge, pack),
        check.invalid.to(refused),
        charge.charged.to(cool_off),
        charge.declined.to(declined),
        pack.packed.to(cool_off),
        cool_off.elapsed.to(review),
        review.received.to(done),
        review.timed_out.to(done),
    )


CHAIR = Purchase(amount=80)


@dataclass
class Bank:
    """Charges, and writes down under which key it was asked to."""

    keys: list[str] = field(default_factory=list[str])

    def charge(self, _instance: Instance, _config: None, context: Context[Purchase]) -> Outcome:
        self.keys.append(context.idempotency_key)
        return Charge.charged(Payment(reference=f"p-{context.initial.amount}"))
