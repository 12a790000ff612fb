"""What the history tells, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, WaitForEvent, Workflow
from hephaestus_stream.wire.command import ResumeCommand, new_id
from hephaestus_stream.wire.request import resume_command, start_command
from tests.cycle.flows import Order, Stars
from tests.cycle.partition import Partition

pytestmark = pytest.mark.parity(18)

SECOND = timedelta(seconds=1)


class Stubborn(Step[object]):
    """Fails a thousand times."""

    done = Event()
    retry = RetryPolicy(max_attempts=1_000, backoff="constant", initial_delay=SECOND, jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        raise ConnectionError("down")


class Endless(Workflow[Order], key="endless"):
    stubborn = Stubborn()
    done = Done()
    start = stubborn
    transitions = (stubborn.done.to(done),)


async def test_a_transition_costs_the_same_however_long_the_history_is() -> None:
    partition = Partition((Endless,))
    command = start_command(Endless, "a", Order())
    await partition.send(command)

    batches = [await partition.skip(SECOND) for _ in range(300)]

    told = partition.history(command.id)
    assert len(told) > 1_000
    changed = [sum(len(value or b"") for value in batch.changes.values()) for batch in batches]
    published = [sum(len(record.value or b"") for record in batch.outputs) for batch in batches]
    for sizes in (changed, published):
        # Numbers get longer, nothing else does.
        assert max(sizes) - min(sizes) < 50
    assert partition.kept_history(command.id) == [event.sequence for event in told] == list(range(1, len(told) + 1))


class Once(Step[object]):
    """Fails once."""

    done = Event()
    retry = RetryPolicy(initial_delay=SECOND, jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        if context.attempt == 1:
            raise ConnectionError("down")
        return self.done()


class Story(Workflow[Order], key="story"):
    once = Once()
    first = WaitForEvent(Stars, timeout=timedelta(hours=1))
    second = WaitForEvent(Stars)
    done = Done()
    start = once
    transitions = (
        once.done.to(first),
        first.received.to(second),
        first.timed_out.to(second),
        second.received.to(done),
    )


async def test_the_history_tells_of_retries_timers_events_and_refusals_as_they_happened() -> None:
    partition = Partition((Story,))
    command = start_command(Story, "a", Order())
    early = resume_command(Story, "a", Story.second.received, Stars(stars=5))
    unknown = ResumeCommand(id=new_id(), workflow="Story", key="story::a", node="nobody", event="received")
    await partition.send(command, early, unknown)
    await partition.skip(SECOND)
    await partition.skip(timedelta(hours=1))

    assert partition.told(command.id) == [
        ("started", None),
        ("step_started", "once"),
        ("step_failed", "once"),
        ("retry_scheduled", "once"),
        ("timer_set", "once"),
        ("event_kept", "second"),
        ("event_refused", "nobody"),
        ("timer_fired", "once"),
        ("step_started", "once"),
        ("step_completed", "once"),
        ("step_started", "first"),
        ("suspended", "first"),
        ("timer_set", "first"),
        ("timer_fired", "first"),
        ("step_completed", "first"),
        ("step_started", "second"),
        ("suspended", "second"),
        ("resumed", "second"),
        ("step_completed", "second"),
        ("completed", "done"),
    ]
    [refused] = [event for event in partition.history(command.id) if event.type == "event_refused"]
    assert (refused.details["reason"], refused.details["command"]) == ("unknown_node", unknown.id)
