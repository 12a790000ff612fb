"""What models and steps write and nobody could read back: it never comes into a record."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, cast

import pytest
from pydantic import BaseModel, ConfigDict

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, WaitForEvent, Workflow
from hephaestus_stream.core.state import State
from hephaestus_stream.wire.request import resume_command, start_command
from tests.cycle.partition import TOPICS, Partition, replies


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


VALUES: dict[str, tuple[object, str]] = {
    "nan": (float("nan"), "NaN or an infinity"),
    "infinity": (float("-inf"), "NaN or an infinity"),
    "deep": (nested(150), "deeper than 100 levels"),
    "endless": (nested(100_000), ""),
    "long": (10**5_000, "4,300 digits"),
}


class Reading(BaseModel):
    """Writes NaN as `NaN`, as pydantic does where it is told so; and what it is asked for by name."""

    model_config = ConfigDict(ser_json_inf_nan="constants")
    kind: str = "plain"
    place: str = "result"
    value: Any = None


class Measure(Step[Reading]):
    done = Event(Reading)

    async def execute(self, instance: Instance, config: None, context: Context[Reading]) -> Outcome:
        kind, place = context.initial.kind, context.initial.place
        value = VALUES[kind][0] if kind in VALUES else None
        if place == "metadata":
            return self.done(Reading(), metadata={"value": value})
        return self.done(Reading(value=value))


class Growing(BaseModel):
    """Has a default that nobody can read back."""

    model_config = ConfigDict(ser_json_inf_nan="constants")
    rate: float = float("nan")


class Measured(Workflow[Reading], key="measured"):
    measure = Measure()
    done = Done()
    start = measure
    transitions = (measure.done.to(done),)


class Rated(Workflow[Growing], key="rated"):
    rating = WaitForEvent(Growing)
    done = Done()
    start = rating
    transitions = (rating.received.to(done),)


@pytest.mark.parametrize("place", ["result", "metadata"])
@pytest.mark.parametrize("kind", VALUES)
async def test_a_result_that_nobody_could_read_back_fails_its_step(kind: str, place: str) -> None:
    partition = Partition((Measured,))
    command = start_command(Measured, "a", Reading(kind=kind, place=place))

    await partition.finish(await partition.cycle(partition.record(command)))

    error = partition.state("measured::a", command.id).error
    assert error is not None
    assert error.type == "BadOutcome"
    assert VALUES[kind][1] in error.message
    assert partition.published(TOPICS.step_results) == []
    json.loads(partition.published(TOPICS.completions)[0], parse_constant=pytest.fail)


async def test_an_input_whose_model_writes_what_nobody_could_read_back_is_refused() -> None:
    partition = Partition((Rated,))
    command = start_command(Rated, "a", Growing(rate=1.0)).model_copy(update={"input": {}})

    [reply] = replies(await partition.cycle(partition.record(command)))

    assert reply.reason == "invalid_payload"
    assert "NaN or an infinity" in (reply.message or "")


async def test_an_event_whose_model_writes_what_nobody_could_read_back_is_refused() -> None:
    partition = Partition((Rated,))
    await partition.cycle(partition.record(start_command(Rated, "a", Growing(rate=1.0))))
    event = resume_command(Rated, "a", Rated.rating.received, Growing(rate=1.0)).model_copy(update={"payload": {}})

    [reply] = replies(await partition.cycle(partition.record(event)))

    assert reply.reason == "invalid_payload"
    assert "NaN or an infinity" in (reply.message or "")


class Bill(BaseModel):
    """Its default is not of its type, which pydantic lets pass, and reads back."""

    amount: Decimal = 0  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    count: int = 1


class Charge(Step[str]):
    charged = Event(Bill)

    async def execute(self, instance: Instance, config: None, context: Context[str]) -> Outcome:
        return self.charged(Bill.model_construct(count=cast("int", context.initial)) if context.initial else Bill())


class Billed(Workflow[str], key="billed"):
    charge = Charge()
    done = Done()
    start = charge
    transitions = (charge.charged.to(done),)


class Claimed(Workflow[Bill], key="claimed"):
    claim = WaitForEvent(Bill)
    done = Done()
    start = claim
    transitions = (claim.received.to(done),)


async def result_of(count: str) -> tuple[Partition, State]:
    """What became of a bill with this count; each warning is an error here."""
    partition = Partition((Billed,))
    command = start_command(Billed, "a", count)
    await partition.finish(await partition.cycle(partition.record(command)))
    return partition, partition.state("billed::a", command.id)


async def test_a_result_with_a_value_that_its_model_does_not_read_back_fails_its_step() -> None:
    partition, state = await result_of("many")

    assert state.error is not None
    assert state.error.type == "BadOutcome"
    assert "count\n  Input should be a valid integer" in state.error.message
    assert partition.published(TOPICS.step_results) == []


async def test_a_result_with_a_value_of_another_type_that_its_model_reads_back_is_kept_without_a_warning() -> None:
    partition, state = await result_of("")

    assert state.status == "completed"
    [told] = partition.published(TOPICS.step_results)
    assert json.loads(told)["result"] == {"amount": 0, "count": 1}


async def test_an_input_with_a_default_of_another_type_is_taken_without_a_warning() -> None:
    partition = Partition((Claimed,))
    command = start_command(Claimed, "a", Bill(amount=Decimal(1))).model_copy(update={"input": {}})

    [reply] = replies(await partition.cycle(partition.record(command)))

    assert reply.effect == "applied"
