"""Uses of the public API that mypy and pyright must accept as they are; `assert_type` pins what they infer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Literal, assert_type

from pydantic import BaseModel

from hephaestus_stream import (
    Context,
    Debug,
    Done,
    Event,
    Failed,
    Instance,
    NodeEvent,
    Outcome,
    RetryPolicy,
    Step,
    StepResult,
    Suspend,
    Wait,
    WaitForEvent,
    Workflow,
)


class Order(BaseModel, frozen=True):
    due: datetime
    express: bool = False


class Payment(BaseModel, frozen=True):
    reference: str


class Review(BaseModel, frozen=True):
    stars: int


class Currency(BaseModel, frozen=True):
    code: str


class Validate(Step[Order]):
    valid = Event()
    invalid = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        return self.valid() if context.initial.express else self.invalid(metadata={"late": True})


class Blocking(Step[Order]):
    paid = Event(Payment)
    runner = "thread"

    def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        return self.paid(Payment(reference=context.idempotency_key), metadata={"attempt": context.attempt})


class Charge(Step[Order, Currency]):
    charged = Event(Payment)
    retry = RetryPolicy(max_attempts=5, max_delay=timedelta(seconds=30))
    timeout = timedelta(seconds=20)

    async def execute(self, instance: Instance, config: Currency, context: Context[Order]) -> Outcome:
        return self.charged(Payment(reference=f"{instance.id}/{config.code}"))


class Confirm(Step[object]):
    confirmed = Event(Review, external=True)
    expired = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return Suspend(timeout=timedelta(days=2), otherwise=self.expired())


class AwaitReview(WaitForEvent[Review]):
    """A subclass says the model once."""


class Speed(Enum):
    FAST = "fast"
    SLOW = "slow"


def by_speed(context: Context[Order]) -> Literal["express", "standard"]:
    return "express" if context.initial.express else "standard"


def by_member(context: Context[Order]) -> Speed:
    return Speed.FAST if context.result(Flow.charge.charged).reference else Speed.SLOW


def when_due(context: Context[Order]) -> datetime:
    return context.initial.due


class Flow(Workflow[Order], key="orderid", version=2, scope="version", tags=("sales",), metadata={"team": "shop"}):
    validate = Validate()
    blocking = Blocking()
    charge = Charge(Currency(code="EUR"))
    confirm = Confirm()
    shown = Debug("shown")
    express = Wait(timedelta(days=1))
    standard = Wait(datetime(2030, 1, 1, tzinfo=UTC))
    due = Wait(when_due)
    review = WaitForEvent(Review, timeout=timedelta(days=30))
    signal = WaitForEvent()
    again = AwaitReview(Review)
    end = Done()
    away = Done(interrupts=True)
    gone = Failed("gone")

    start = validate
    transitions = (
        validate.valid.to(blocking, charge),
        validate.invalid.to(gone),
        blocking.paid.to(confirm),
        charge.charged.to(confirm),
        confirm.confirmed.route(by_speed).to({"express": express, "standard": (standard, due)}),
        confirm.expired.route(by_member).to({Speed.FAST: shown, Speed.SLOW: end}),
        express.elapsed.to(review),
        standard.elapsed.to(review),
        due.elapsed.to(review),
        review.received.to(signal),
        review.timed_out.to(signal),
        signal.received.to(again),
        again.received.to(end),
        shown.logged.to(away),
    )


def what_is_inferred(context: Context[Order]) -> None:
    assert_type(Flow.validate.valid, NodeEvent[None])
    assert_type(Flow.charge.charged, NodeEvent[Payment])
    assert_type(Charge.charged, Event[Payment])
    assert_type(Flow.review.received, NodeEvent[Review])
    assert_type(Flow.again.received, NodeEvent[Review])
    assert_type(Flow.signal.received, NodeEvent[None])
    assert_type(context.result(Flow.charge.charged), Payment)
    assert_type(context.result(Charge.charged), Payment)
    assert_type(context.initial.express, bool)
    assert_type(context.steps["charge"], StepResult)
    assert_type(Flow.charge.config, Currency)
