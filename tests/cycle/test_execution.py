"""What decisions leave behind: all of a transition or nothing, and no step of a run that is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, Workflow
from hephaestus_stream.core.decision import Decision, HistoryEvent, PublishCompletion
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import Start
from hephaestus_stream.core.limits import MAX_PROMPT_LOSSES
from hephaestus_stream.cycle.execution import Decided, Execution
from hephaestus_stream.errors import EngineError
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Order, Review, Work
from tests.cycle.partition import BEGIN, Partition


def begun(run: str) -> Decision:
    """A run that waits; its decision sets a timer and tells a history."""
    return apply(Review.definition, None, Start("review::a", run, b"{}"), now=BEGIN)


def spoilt(decision: Decision, *, by: str) -> Decision:
    """The same, but something at its end cannot be written."""
    state, [*history], [*effects] = decision.state, decision.history, decision.effects
    match by:
        case "its history":
            history.append(HistoryEvent(9, BEGIN, "suspended", None, None, None, {"what": object()}))
        case _:
            effects.append(PublishCompletion(9))  # of a run that lives
    return Decision(state, tuple(history), tuple(effects), decision.answer)


@pytest.mark.parametrize("by", ["its history", "its completion"])
def test_of_a_transition_that_cannot_be_written_nothing_is_left(by: str) -> None:
    partition = Partition()
    execution = Execution(partition.shard, partition.store, now=BEGIN)
    execution.carry_out([Decided(Review.definition, [begun("kept")])])
    before = (list(execution.batch.outputs), list(execution.batch.decisions), execution.tables.changes())
    assert before[0]

    with pytest.raises((EngineError, TypeError, ValueError)):
        execution.carry_out([Decided(Review.definition, [begun("lost"), spoilt(begun("lost"), by=by)])])

    assert (list(execution.batch.outputs), list(execution.batch.decisions), execution.tables.changes()) == before
    assert set(execution.to_run) == {attempt for attempt in execution.to_run if attempt.run == "kept"}


class Stuck(Step[object]):
    """Never ends; it has one attempt."""

    done = Event()
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        await asyncio.Event().wait()
        return self.done()


class Second(Step[object]):
    """Fails once, then never ends."""

    done = Event()
    retry = RetryPolicy(initial_delay=timedelta(seconds=10), jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        if context.attempt == 1:
            raise ConnectionError("down")
        await asyncio.Event().wait()
        return self.done()


class Doomed(Workflow[Order], key="doomed"):
    """Two steps side by side, of which one loses worker after worker."""

    begin = Work()
    second = Second()
    stuck = Stuck()
    done = Done()
    start = begin
    transitions = (begin.done.to(second, stuck), second.done.to(done), stuck.done.to(done))


async def lose_worker(former: Partition) -> Partition:
    """The partition under another worker, which has what was committed."""
    await former.runner.close()
    heir = Partition((Doomed,))
    heir.store, heir.outputs, heir.now = former.store, former.outputs, former.now
    return heir


async def test_a_step_that_was_to_run_is_not_begun_when_its_run_fails_in_the_same_transition() -> None:
    partition = Partition((Doomed,))
    command = start_command(Doomed, "a", Order())
    await partition.send(command)
    for _ in range(MAX_PROMPT_LOSSES):
        partition = await lose_worker(partition)
        await partition.take_over(worker_lost=True)
    await partition.skip(timedelta(seconds=10))
    assert partition.state("doomed::a", command.id).nodes["second"].attempt == 2

    partition = await lose_worker(partition)
    # `second` is taken up again, and then `stuck` has lost one worker too many.
    batch = await partition.take_over(worker_lost=True)

    assert partition.told(command.id)[-4:] == [
        ("step_restarted", "second"),
        ("step_failed", "stuck"),
        ("interrupted", "second"),
        ("failed", "stuck"),
    ]
    assert batch.running == []
    assert partition.runner.held == 0
