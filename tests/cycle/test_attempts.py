from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from inspect import isawaitable
from typing import Protocol, cast

import pytest
from pydantic import BaseModel, field_validator

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Instance,
    Outcome,
    PermanentError,
    RetryPolicy,
    Step,
    Suspend,
    Workflow,
)
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Order
from tests.cycle.partition import Partition


class Says(Protocol):
    """A step with these two events, as a careless one may use them."""

    @property
    def done(self) -> Callable[..., object]: ...
    @property
    def choosy(self) -> Callable[..., object]: ...


Ending = Callable[[Says], object]
Flow = type[Workflow[Order]]


class Choosy(BaseModel):
    """A model with a validator that raises what no validator should."""

    name: str

    @field_validator("name")
    @classmethod
    def explode(cls, name: str) -> str:
        raise LookupError(name)


class Unspeakable(Exception):  # noqa: N818 - it is the exception that has no name
    """An exception that cannot even be described."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Aborted(BaseException):
    """What some libraries raise to get past `except Exception`."""


class ImpatientError(TimeoutError):
    """A step's own notion of too late."""


def flow_of(ending: Ending, *, blocking: bool, attempts: int = 1, patience: timedelta | None = None) -> Flow:
    """A workflow of one step that does what `ending` says."""

    class Awaited(Step[object]):
        done = Event()
        choosy = Event(Choosy)
        retry = RetryPolicy(max_attempts=attempts)
        timeout = patience

        async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
            found = ending(self)
            return await cast("Awaitable[Outcome]", found) if isawaitable(found) else cast("Outcome", found)

    class Called(Step[object]):
        done = Event()
        choosy = Event(Choosy)
        retry = RetryPolicy(max_attempts=attempts)
        timeout = patience

        def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
            return cast("Outcome", ending(self))

    class OneStep(Workflow[Order], key="flow"):
        step = Called() if blocking else Awaited()
        done = Done()
        start = step
        transitions = (step.done.to(done), step.choosy.to(done))

    return OneStep


def throw(error: BaseException) -> Ending:
    def ending(_: Says) -> object:
        raise error

    return ending


async def outcome_of(flow: Flow) -> tuple[str, str | None]:
    partition = Partition((flow,))
    command = start_command(flow, "a", Order())
    await partition.finish(await partition.cycle(partition.record(command)))
    state = partition.state("flow::a", command.id)
    await partition.runner.close()
    return state.status, None if state.error is None else state.error.type


BAD_ENDINGS: list[tuple[Ending, str]] = [
    (throw(ConnectionError("down")), "ConnectionError"),
    (throw(PermanentError("never")), "PermanentError"),
    (throw(TimeoutError("the step's own")), "TimeoutError"),
    (throw(asyncio.CancelledError("the step's own")), "CancelledError"),
    (throw(Unspeakable()), "Unspeakable"),
    (throw(SystemExit(3)), "SystemExit"),
    (throw(Aborted("no Exception")), "Aborted"),
    (throw(GeneratorExit()), "GeneratorExit"),
    (throw(StopIteration()), "RuntimeError"),
    (throw(StopAsyncIteration()), "StopAsyncIteration"),
    (throw(Exception("half a pair: \ud800")), "Exception"),
    (lambda _: None, "BadOutcome"),
    (lambda _: "done", "BadOutcome"),
    (lambda step: step.done(3), "BadOutcome"),
    (lambda step: step.choosy(Choosy.model_construct(name="x").model_dump()), "BadOutcome"),
    (lambda step: step.done(metadata={"when": object()}), "BadOutcome"),
    (lambda step: step.done(metadata={"text": "\ud800"}), "BadOutcome"),
    (lambda _: Suspend(), "BadOutcome"),  # nobody could end that
]


@pytest.mark.parity(7)
@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "in a thread"])
@pytest.mark.parametrize(
    ("ending", "error"), BAD_ENDINGS, ids=[f"{n}-{name}" for n, (_, name) in enumerate(BAD_ENDINGS)]
)
async def test_whatever_a_step_does_only_its_own_node_fails(ending: Ending, error: str, *, blocking: bool) -> None:
    assert await outcome_of(flow_of(ending, blocking=blocking)) == ("failed", error)


@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "in a thread"])
async def test_a_step_that_takes_too_long_fails_its_attempt(*, blocking: bool) -> None:
    release = threading.Event()

    def ending(_: Says) -> object:
        return release.wait() if blocking else asyncio.Event().wait()

    flow = flow_of(ending, blocking=blocking, patience=timedelta(milliseconds=20))
    try:
        assert await outcome_of(flow) == ("failed", "StepTimeoutError")
    finally:
        release.set()


@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "in a thread"])
async def test_a_steps_own_timeout_error_is_not_taken_for_its_timeout(*, blocking: bool) -> None:
    flow = flow_of(throw(ImpatientError("the step's own")), blocking=blocking, patience=timedelta(minutes=1))

    assert await outcome_of(flow) == ("failed", "ImpatientError")


async def test_an_interrupt_that_a_step_raises_in_its_thread_fails_its_attempt() -> None:
    assert await outcome_of(flow_of(throw(KeyboardInterrupt()), blocking=True)) == ("failed", "RuntimeError")


async def test_a_step_changes_the_metadata_of_its_run_for_nobody_else() -> None:
    class Greedy(Step[object]):
        done = Event()
        retry = RetryPolicy(max_attempts=1)

        async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
            cast("dict[str, list[str]]", instance.metadata)["teams"].append("mine")
            return self.done()

    class Shared(Workflow[Order], key="flow", metadata={"teams": ["ours"]}):
        first, second = Greedy(), Greedy()
        done = Done()
        start = first
        transitions = (first.done.to(second), second.done.to(done))

    partition = Partition((Shared,))
    command = start_command(Shared, "a", Order())
    await partition.finish(await partition.cycle(partition.record(command)))

    assert partition.state("flow::a", command.id).status == "completed"
    assert partition.state("flow::a", command.id).metadata == {"teams": ["ours"]}
    assert Shared.definition.metadata == {"teams": ["ours"]}


@pytest.mark.parity(15)
async def test_a_key_of_a_step_is_unlike_that_of_any_other_key_under_the_same_command_id() -> None:
    said: list[str] = []

    class Says(Step[object]):
        done = Event()

        async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
            said.append(context.idempotency_key)
            return self.done()

    class OneStep(Workflow[Order], key="flow"):
        step = Says()
        done = Done()
        start = step
        transitions = (step.done.to(done),)

    partition = Partition((OneStep,))
    for id_ in "ab":
        await partition.send(start_command(OneStep, id_, Order(), command_id="c-1"))

    assert said == ["flow::a/c-1/step", "flow::b/c-1/step"]


async def test_a_permanent_error_is_not_retried() -> None:
    flow = flow_of(throw(PermanentError("never")), blocking=False, attempts=5)

    assert await outcome_of(flow) == ("failed", "PermanentError")


async def test_an_error_is_retried_where_attempts_are_left() -> None:
    status, _ = await outcome_of(flow_of(throw(ConnectionError("down")), blocking=False, attempts=5))

    assert status == "running"


async def test_a_failure_keeps_the_end_of_a_long_traceback_and_the_beginning_of_a_long_message() -> None:
    flow = flow_of(throw(ConnectionError("x" * 100_000)), blocking=False)
    partition = Partition((flow,))
    command = start_command(flow, "a", Order())
    await partition.cycle(partition.record(command))

    state, told = partition.state("flow::a", command.id), partition.history(command.id)[-2].details

    assert state.error is not None
    assert 0 < len(state.error.message) < 2_000
    assert 0 < len(str(told["traceback"])) < 5_000
    assert sys.getsizeof(partition.history(command.id)[-2].details) < 10_000
