"""Mistakes that the type checkers must refuse: each marked line by both, or by the one that the mark names."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Failed, Instance, Outcome, Step, Suspend, Wait, WaitForEvent, Workflow


class Order(BaseModel, frozen=True):
    express: bool = False


class Payment(BaseModel, frozen=True):
    reference: str


class Currency(BaseModel, frozen=True):
    code: str


class Ship(Step[Order]):
    shipped = Event()
    lost = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        if context.initial.expres:  # wrong: no such field
            return self.arrived()  # wrong: no such event
        if context.initial.express:
            return self.shipped(Payment(reference="p"))  # wrong: the event carries nothing
        return "shipped"  # wrong: a string is no outcome


class Charge(Step[Order, Currency]):
    charged = Event(Payment)

    async def execute(self, instance: Instance, config: Currency, context: Context[Order]) -> Outcome:
        if config.name:  # wrong: no such field
            return self.charged()  # wrong: the payload is missing
        return self.charged(Currency(code="EUR"))  # wrong: another payload


class Late(Step[Order]):
    done = Event()

    async def execute(self, instance: Instance, config: Currency, context: Context[Order]) -> Outcome:  # wrong: no config
        return Suspend(timeout=2, otherwise=self.done())  # wrong: a duration is no number


def by_speed(context: Context[Order]) -> Literal["express", "standard"]:
    return "slow"  # wrong: no such label


class Flow(Workflow[Order], key="orderid"):
    ship = Ship()
    other = Ship()
    charge = Charge(Currency(code="EUR"))
    bare = Charge()  # wrong for pyright: no configuration
    mixed = Charge(Order())  # wrong: another configuration
    filled = Ship(Currency(code="EUR"))  # wrong: takes no configuration
    wait = Wait(3)  # wrong: a duration is no number
    review = WaitForEvent("Review")  # wrong: a model is no string
    end = Done()
    gone = Failed()  # wrong: no reason

    start = ship
    transitions = (  # wrong for pyright: its type cannot be told, since rows are wrong
        ship.shiped.to(charge),  # wrong: no such event
        Ship.lost.to(end),  # wrong: the event of a step, not of a node
        charge.charged.to(other.shipped),  # wrong: leads to an event
        other.lost.to(Ship),  # wrong: leads to a class
        other.shipped.route(by_speed).to({"express": end, "standart": end}),  # wrong: no such label
        wait.elapsed.to(timedelta(days=1)),  # wrong: leads to a duration
    )


class Unscoped(Workflow[Order], key="orderid", scope="galaxy"):  # wrong: no such scope
    work = Ship()
    start = work
    transitions = (work.shipped, work.lost)  # wrong: rows that are not finished


class Unkeyed(Workflow[Order], kee="orderid"):  # wrong: no such keyword
    pass


def read(context: Context[Order]) -> str:
    context.result(Flow.charge.charged).amount  # wrong: no such field
    context.result("charge")  # wrong: a string is no event
    return context.result(Charge.charged)  # wrong: a payment is no string
