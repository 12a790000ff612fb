"""What models and steps write and nobody could read back: it never comes into a record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, WaitForEvent, Workflow
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
