"""An order is validated, reserved, charged, packed and shipped.

Shows a branch, a fan-out and fan-in, a retry, a route, a merge, a wait and an ending that interrupts.

    hephaestus dev workflows.order
    hephaestus start workflows.order:OrderFlow abc123 --input '{"sku": "chair", "quantity": 2, "customer": "ada"}'
    hephaestus resume workflows.order:OrderFlow abc123 review.received --payload '{"stars": 5}'
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Failed,
    Instance,
    Outcome,
    RetryPolicy,
    Step,
    Wait,
    WaitForEvent,
    Workflow,
)


class Order(BaseModel, frozen=True):
    """What a customer sends."""

    sku: str
    quantity: int
    customer: str
    express: bool = False
    card: str = "valid"


class Reservation(BaseModel, frozen=True):
    """Where the goods are."""

    warehouse: str


class Payment(BaseModel, frozen=True):
    """What the bank calls the payment."""

    reference: str


class Refusal(BaseModel, frozen=True):
    """Why the bank said no."""

    reason: str


class Parcel(BaseModel, frozen=True):
    """What is shipped."""

    number: str


class Review(BaseModel, frozen=True):
    """What the customer thinks of it."""

    stars: int


class ChargeConfig(BaseModel, frozen=True):
    """How a card is charged."""

    currency: str


class ValidateOrder(Step[Order]):
    """Refuses an order of nothing."""

    valid = Event()
    invalid = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        return self.valid() if context.initial.quantity > 0 else self.invalid()


class ReserveStock(Step[Order]):
    """Finds a warehouse; a blocking step, so it runs in a thread."""

    reserved = Event(Reservation)

    def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        return self.reserved(Reservation(warehouse="B"), metadata={"sku": context.initial.sku})


class ChargeCard(Step[Order, ChargeConfig]):
    """Charges the card. The bank's line is bad: the first attempt with a `flaky` card fails, the second succeeds."""

    charged = Event(Payment)
    declined = Event(Refusal)
    retry = RetryPolicy(max_attempts=5, initial_delay=timedelta(milliseconds=200), max_delay=timedelta(seconds=30))
    timeout = timedelta(seconds=20)

    async def execute(self, instance: Instance, config: ChargeConfig, context: Context[Order]) -> Outcome:
        if context.initial.card == "declined":
            return self.declined(Refusal(reason="the bank said no"))
        if context.initial.card == "flaky" and context.attempt == 1:
            raise ConnectionError("the bank hung up")
        return self.charged(Payment(reference=f"{context.idempotency_key}/{config.currency}"))


class Pack(Step[Order]):
    """Puts the goods into a parcel; it reads what the two branches before it found."""

    packed = Event(Parcel)

    async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        warehouse = context.result(ReserveStock.reserved).warehouse
        payment = context.result(OrderFlow.charge.charged).reference
        return self.packed(Parcel(number=f"{warehouse}-{instance.id}"), metadata={"payment": payment})


class Ship(Step[Order]):
    """Hands the parcel to a carrier."""

    shipped = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        return self.shipped()


def by_speed(context: Context[Order]) -> Literal["express", "standard"]:
    """Chooses the carrier."""
    return "express" if context.initial.express else "standard"


class OrderFlow(Workflow[Order], key="orderid", version=2, tags=("sales",), metadata={"team": "shop"}):
    """Validate, reserve, charge and ship one order.

    Graph, drawn by `hephaestus docs`::

                                   ┌──────────────┐
                                   │  ▶ validate  │
                                   └──┬───────┬───┘
                                    valid  invalid
                         ┌────────────┤       └───────────────┐
                    ┌────▼────┐   ┌───▼─────────────┐   ╭─────▼────╮
                    │ reserve │   │     charge      │   │ rejected │
                    └────┬────┘   └───┬─────────┬───┘   ╰──────────╯
                     reserved      charged  declined
                         ├────────────┘         │
        ┌────────────────▼────────────────┐   ╔═▼════════╗
        │              pack               │   ║ declined ║
        └───────┬─────────────────┬───────┘   ╚══════════╝
         packed[express]  packed[standard]
             ┌──▼──────┐   ┌──────▼───┐
             │ express │   │ standard │
             └────┬────┘   └─────┬────┘
               shipped        shipped
                  └──────┬───────┘
                   ┌╌╌╌╌╌▼╌╌╌╌┐
                   ┆ cool_off ┆
                   └╌╌╌╌╌┬╌╌╌╌┘
                      elapsed
               ┌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌┐
               ┆      review       ┆
               └╌╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌┘
                received  timed_out
                    └────┬────┘
                     ╭───▼──╮
                     │ done │
                     ╰──────╯

    End of the graph.
    """

    validate = ValidateOrder()
    reserve = ReserveStock()
    charge = ChargeCard(ChargeConfig(currency="EUR"))
    pack = Pack()
    express = Ship()
    standard = Ship()
    cool_off = Wait(timedelta(seconds=2))  # days, in a real shop
    review = WaitForEvent(Review, timeout=timedelta(days=30))
    done = Done()
    rejected = Done()
    declined = Failed("the card was declined")

    start = validate
    transitions = (
        validate.valid.to(reserve, charge),
        validate.invalid.to(rejected),
        reserve.reserved.to(pack),
        charge.charged.to(pack),
        charge.declined.to(declined),
        pack.packed.route(by_speed).to({"express": express, "standard": standard}),
        express.shipped.to(cool_off),
        standard.shipped.to(cool_off),
        cool_off.elapsed.to(review),
        review.received.to(done),
        review.timed_out.to(done),
    )
