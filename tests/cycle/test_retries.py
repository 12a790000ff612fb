"""What a step raises, and what becomes of it: a retry, a delay of the step's own, or the end of its run."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Instance,
    Outcome,
    PermanentError,
    RetryAfterError,
    RetryPolicy,
    Step,
    Workflow,
)
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Order
from tests.cycle.partition import BEGIN, COMMAND_RETENTION, TOPICS, Partition

pytestmark = pytest.mark.parity(10)

DELAY = timedelta(minutes=7)


class LimitedError(RetryAfterError):
    """What a client of some service makes of its answer 429."""


def flow_of(*errors: BaseException, policy: RetryPolicy, blocking: bool = False) -> type[Workflow[Order]]:
    """A workflow of one step whose attempts raise these, one after the other; then it is done."""

    class Awaited(Step[object]):
        done = Event()
        retry = policy

        async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
            if context.attempt <= len(errors):
                raise errors[context.attempt - 1]
            return self.done()

    class Called(Step[object]):
        done = Event()
        retry = policy

        def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
            if context.attempt <= len(errors):
                raise errors[context.attempt - 1]
            return self.done()

    class Flow(Workflow[Order], key="flow"):
        step = Called() if blocking else Awaited()
        end = Done()
        start = step
        transitions = (step.done.to(end),)

    return Flow


class Played:
    """One run of such a workflow."""

    def __init__(self, flow: type[Workflow[Order]]) -> None:
        self.partition = Partition((flow,))
        self.command = start_command(flow, "a", Order())

    async def begin(self) -> Played:
        await self.partition.finish(await self.partition.cycle(self.partition.record(self.command)))
        return self

    async def skip(self, time: timedelta) -> None:
        await self.partition.finish(await self.partition.skip(time))

    @property
    def state(self) -> State:
        return self.partition.state("flow::a", self.command.id)

    @property
    def due_at(self) -> list[timedelta]:
        tables = Tables(self.partition.store, command_retention=COMMAND_RETENTION)
        return [timer.due_at - BEGIN for timer in tables.due_timers(BEGIN + timedelta(days=9_000), limit=10)]


@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "in a thread"])
async def test_a_step_says_when_another_attempt_makes_sense(*, blocking: bool) -> None:
    policy = RetryPolicy(max_attempts=2, initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=2))
    played = await Played(flow_of(LimitedError("busy", delay=DELAY), policy=policy, blocking=blocking)).begin()

    assert played.due_at == [DELAY]
    await played.skip(DELAY - timedelta(seconds=1))
    assert played.state.nodes["step"].status == "retrying"
    await played.skip(timedelta(seconds=1))
    assert (played.state.status, played.state.nodes["step"].attempt) == ("completed", 2)


async def test_a_step_that_always_asks_for_later_has_no_more_attempts_than_any_other() -> None:
    later = RetryAfterError("busy", delay=DELAY)
    played = await Played(flow_of(later, later, later, policy=RetryPolicy(max_attempts=2))).begin()

    await played.skip(DELAY)

    assert (played.state.status, played.state.nodes["step"].attempt) == ("failed", 2)
    assert played.state.error is not None
    assert (played.state.error.type, played.state.error.message) == ("RetryAfterError", "busy")


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (LookupError("of the policy"), 1),
        (KeyError("a subclass of it"), 1),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "another, deeper one"), 1),
        (PermanentError("always"), 1),
        (LimitedError("of the policy, whatever it asks for", delay=DELAY), 1),
        (OSError("nobody's"), 2),
        (RetryAfterError("a superclass", delay=DELAY), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
async def test_an_error_of_the_policy_and_each_of_its_kinds_fails_the_node_at_once(
    error: BaseException, attempts: int
) -> None:
    policy = RetryPolicy(max_attempts=2, non_retryable=(LookupError, ValueError, LimitedError))
    played = await Played(flow_of(error, error, policy=policy)).begin()

    assert (played.state.status == "failed") is (attempts == 1)
    await played.skip(timedelta(hours=1))
    assert (played.state.status, played.state.nodes["step"].attempt) == ("failed", attempts)


async def test_a_kind_of_permanent_error_is_permanent() -> None:
    class ClosedAccountError(PermanentError):
        """No retry opens it."""

    played = await Played(flow_of(ClosedAccountError("closed"), policy=RetryPolicy())).begin()

    assert (played.state.status, played.due_at) == ("failed", [])


@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "in a thread"])
async def test_a_failed_attempt_leaves_its_type_its_message_and_its_traceback_in_the_history(*, blocking: bool) -> None:
    policy = RetryPolicy(max_attempts=2)
    flow = flow_of(ConnectionError("first"), TimeoutError("second"), policy=policy, blocking=blocking)
    played = await Played(flow).begin()
    await played.skip(timedelta(hours=1))

    failures = [event for event in played.partition.history(played.command.id) if event.type == "step_failed"]
    [completion] = [json.loads(value) for value in played.partition.published(TOPICS.completions)]

    assert [(event.attempt, event.details["error"], event.details["message"]) for event in failures] == [
        (1, "ConnectionError", "first"),
        (2, "TimeoutError", "second"),
    ]
    for event, line in zip(failures, ("ConnectionError: first", "TimeoutError: second"), strict=True):
        told = str(event.details["traceback"]).strip().splitlines()
        assert told[0].startswith("Traceback")
        assert "raise errors[context.attempt - 1]" in "".join(told)
        assert told[-1] == line
    assert (completion["status"], completion["ended_at"]) == ("failed", "step")
    assert completion["error"] == {"type": "TimeoutError", "message": "second"}


async def test_the_cause_of_an_error_is_in_its_traceback() -> None:
    error = ConnectionError("no line")
    error.__cause__ = OSError("the cable is cut")
    played = await Played(flow_of(error, policy=RetryPolicy(max_attempts=1))).begin()

    [failed] = [event for event in played.partition.history(played.command.id) if event.type == "step_failed"]

    assert "OSError: the cable is cut" in str(failed.details["traceback"])


async def test_a_retry_survives_the_loss_of_its_worker_and_comes_once() -> None:
    flow = flow_of(RetryAfterError("busy", delay=DELAY), policy=RetryPolicy())
    played = await Played(flow).begin()
    # Another worker has nothing but what was committed.
    heir = Played(flow)
    heir.command = played.command
    heir.partition.store = played.partition.store
    await heir.partition.take_over(worker_lost=True)

    await heir.skip(DELAY - timedelta(seconds=1))
    assert heir.state.nodes["step"].attempt == 1
    await heir.skip(timedelta(seconds=1))
    await heir.skip(timedelta(days=1))

    assert heir.state.status == "completed"
    assert [kind for kind, _ in heir.partition.told(heir.command.id)].count("step_started") == 1
