"""Uses of the public API that mypy and pyright must accept as they are; `assert_type` pins what they infer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Literal, assert_type

from pydantic import BaseModel

from hephaestus_stream import (
    AccessDeniedError,
    AmbiguousResultError,
    AsyncClient,
    BrokerRefusedError,
    BrokerUnreachableError,
    Client,
    ClientBusyError,
    ClientClosedError,
    CommandError,
    CommandRefusedError,
    Completion,
    Connection,
    Context,
    Debug,
    Done,
    Emitted,
    Event,
    Failed,
    HephaestusError,
    Instance,
    InvalidKeyError,
    KeyProvider,
    Keyring,
    MissingResultError,
    NoAnswerError,
    NodeEvent,
    NotEndedError,
    Outcome,
    PayloadUnreadableError,
    PermanentError,
    Published,
    Receipt,
    RetryAfterError,
    RetryPolicy,
    Run,
    SettingsError,
    Step,
    StepDefinitionError,
    StepResult,
    StepTimeoutError,
    Suspend,
    TopicMismatchError,
    Wait,
    WaitForEvent,
    Workflow,
    WorkflowDefinitionError,
)
from hephaestus_stream.testing import HANGS, SimulatedRun, Simulator, Stub


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


class Process(Step[Order]):
    """Says where it runs, and when another attempt makes sense."""

    counted = Event(int)
    runner = "process"

    def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        if context.stop_requested:
            raise RetryAfterError("the service asked for it", delay=timedelta(minutes=5))
        if instance.metadata.get("closed"):
            raise PermanentError("the shop is closed")
        return self.counted(context.attempt)


class Former(
    Workflow[None],
    key="orderid",
    name="Flow",
    version=1,
    current=False,
    reuse="after_failure",
    retry=RetryPolicy(max_attempts=1, backoff="constant", non_retryable=(ValueError, KeyError)),
    retention=timedelta(days=30),
):
    shown = Debug("shown")
    done = Done()

    start = shown
    transitions = (shown.logged.to(done),)


def what_is_inferred(context: Context[Order], instance: Instance) -> None:
    assert_type(Flow.validate.valid, NodeEvent[None])
    assert_type(Flow.charge.charged, NodeEvent[Payment])
    assert_type(Charge.charged, Event[Payment])
    assert_type(Validate.valid, Event[None])
    assert_type(Flow.review.received, NodeEvent[Review])
    assert_type(Flow.again.received, NodeEvent[Review])
    assert_type(Flow.signal.received, NodeEvent[None])
    assert_type(Flow.review.timed_out, NodeEvent[None])
    assert_type(Flow.express.elapsed, NodeEvent[None])
    assert_type(context.result(Flow.charge.charged), Payment)
    assert_type(context.result(Charge.charged), Payment)
    assert_type(context.result(Process.counted), int)
    assert_type(context.initial.express, bool)
    assert_type(context.steps["charge"], StepResult)
    assert_type(context.idempotency_key, str)
    assert_type(instance.id, str)
    assert_type(instance.tags, tuple[str, ...])
    assert_type(Flow.charge.config, Currency)
    assert_type(Charge.charged(Payment(reference="p-1")), Emitted)
    assert_type(Flow.validate.valid(), Emitted)


async def what_the_client_takes_and_gives(client: AsyncClient, order: Order) -> None:
    run = await client.start(Flow, "abc123", order, tags=("vip",), metadata={"shop": 7}, on_conflict="return_existing")
    assert_type(run, Run)
    assert_type(await client.start(Former, "abc123", None, version="current"), Run)
    assert_type(await client.resume(Flow, "abc123", Flow.review.received, Review(stars=5)), Receipt)
    assert_type(await client.resume(Flow, "abc123", Flow.signal.received, command_id="c-1"), Receipt)
    assert_type(await client.migrate(Flow, "abc123", run=run.run), Receipt)
    assert_type(await client.cancel(Flow, "abc123", reason="closed", wait=False), Receipt)
    completion = await client.wait(run, timeout=timedelta(minutes=1))
    assert_type(completion, Completion)
    assert_type(await client.wait(Flow, "abc123"), Completion)
    assert_type(completion.result(Flow.charge.charged), Payment)
    assert_type(completion.status, Literal["completed", "failed", "cancelled"])


def what_the_blocking_client_takes_and_gives(order: Order) -> None:
    with Client(Connection("localhost:9092", options={"security.protocol": "SSL"})) as client:
        run = client.start(Flow, "abc123", order, timeout=timedelta(seconds=5))
        assert_type(run, Run)
        assert_type(client.resume(Flow, "abc123", Flow.review.received, Review(stars=5), run=run.run), Receipt)
        assert_type(client.resume(Flow, "abc123", Flow.signal.received), Receipt)
        assert_type(client.migrate(Flow, "abc123"), Receipt)
        assert_type(client.cancel(Flow, "abc123"), Receipt)
        assert_type(client.wait(run), Completion)


def where_something_was_published(published: Published) -> int:
    return published.offset


async def what_the_simulator_takes_and_gives(order: Order) -> None:
    simulator = Simulator(now=datetime(2030, 1, 1, tzinfo=UTC))
    simulator.stub(Flow.charge, ConnectionError("down"), Charge.charged(Payment(reference="p-1")))
    simulator.stub(Flow.confirm, Suspend(timeout=timedelta(days=2)))
    simulator.stub(Flow.blocking, HANGS)
    simulator.stub(Flow.validate, valid_for)
    says: tuple[Stub, ...] = (HANGS, Validate.valid())
    simulator.stub(Flow.validate, *says)
    run = await simulator.start(Flow, "abc123", order)
    assert_type(run, SimulatedRun)
    assert_type(await simulator.skip(run, timedelta(days=14)), SimulatedRun)
    assert_type(await simulator.resume(run, Flow.review.received, Review(stars=5)), SimulatedRun)
    assert_type(await simulator.resume(run, Flow.signal.received), SimulatedRun)
    assert_type(await simulator.cancel(run, reason="closed"), SimulatedRun)
    assert_type(run.result(Flow.charge.charged), Payment)
    assert_type(simulator.now, datetime)
    assert run.status == "completed"


def valid_for(_instance: Instance, _config: None, context: Context[Order]) -> Outcome:
    return Validate.valid() if context.initial.express else Validate.invalid()


def keys_of_ones_own(provider: KeyProvider) -> tuple[str, bytes | None]:
    """Whatever has a current id and keys by their ids."""
    return provider.current, provider.key(provider.current)


def a_keyring_is_a_provider() -> None:
    keys = Keyring({"2026-01": bytes(32)})
    assert_type(keys_of_ones_own(keys), tuple[str, bytes | None])
    assert_type(AsyncClient(keys=keys), AsyncClient)


def what_errors_carry(error: HephaestusError) -> object:  # there are many
    match error:
        case WorkflowDefinitionError():
            return [(problem.rule, problem.file, problem.line) for problem in error.problems]
        case StepDefinitionError():
            return error.problem
        case CommandRefusedError() | CommandError():
            return assert_type(error.reason, str)
        case NoAnswerError():
            return assert_type(error.command_id, str)
        case AmbiguousResultError():
            return assert_type(error.nodes, tuple[str, ...])
        case TopicMismatchError():
            return assert_type(error.problems, tuple[str, ...])
        case MissingResultError() | StepTimeoutError() | NotEndedError() | InvalidKeyError() | SettingsError():
            return str(error)
        case _:
            return what_errors_of_the_client_carry(error)


def what_errors_of_the_client_carry(error: HephaestusError) -> object:
    match error:
        case BrokerUnreachableError() | BrokerRefusedError() | AccessDeniedError():
            return str(error)
        case ClientBusyError() | ClientClosedError():
            return str(error)
        case PayloadUnreadableError():
            return assert_type(error.key, str | None)
        case _:
            return None
