"""Steps and routing functions that the workflows of these tests are made of."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from pydantic import BaseModel

from hephaestus_stream import Context, Event, Instance, Outcome, Step


class Order(BaseModel, frozen=True):
    """The start payload."""

    quantity: int = 1


class Rebate(BaseModel, frozen=True):
    """A payload, and a configuration."""

    percent: int


class Work(Step[object]):
    """Ends in one way."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.done()


class Check(Step[object]):
    """Ends in one of two ways."""

    passed = Event()
    failed = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.passed()


class Discount(Step[Order, Rebate]):
    """Takes a configuration."""

    granted = Event(Rebate)

    async def execute(self, instance: Instance, config: Rebate, context: Context[Order]) -> Outcome:
        return self.granted(config)


class Ask(Step[object]):
    """Waits for one of two events from outside, each known here alone."""

    answered = Event(Rebate, external=True)
    withdrawn = Event(external=True)
    gave_up = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.gave_up()


class Speed(Enum):
    """What a route may choose from."""

    FAST = "fast"
    SLOW = "slow"


def by_size(context: Context[Order]) -> Literal["large", "small"]:
    return "large" if context.initial.quantity > 1 else "small"


def by_speed(context: Context[Order]) -> Speed:
    return Speed.FAST if context.initial.quantity > 1 else Speed.SLOW


def by_nothing(context: Context[Order]) -> str:
    return str(context.initial.quantity)
