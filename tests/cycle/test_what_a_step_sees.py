"""What a step is given, and how what it says reaches the next one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, MissingResultError, Outcome, RetryPolicy, Step, Workflow
from hephaestus_stream.wire.request import start_command
from tests.cycle.partition import BEGIN, TOPICS, Partition


class Basket(BaseModel):
    """The start payload; it can be changed, and so can what is in it."""

    items: list[str]


class Weight(BaseModel):
    grams: int


class Scale(BaseModel):
    """The configuration of a node."""

    unit: int


class Notes:
    """What the steps of one test noted."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}


NOTES = Notes()


@pytest.fixture(autouse=True)
def seen() -> dict[str, Any]:
    NOTES.seen = {}
    return NOTES.seen


class Weigh(Step[Basket, Scale]):
    """Weighs in its own unit, and spoils the basket that it was given."""

    weighed = Event(Weight)
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: Scale, context: Context[Basket]) -> Outcome:
        NOTES.seen[f"config {config.unit}"] = config
        NOTES.seen[f"basket {config.unit}"] = list(context.initial.items)
        context.initial.items.clear()
        return self.weighed(Weight(grams=config.unit), metadata={"unit": config.unit})


class Sum(Step[object]):
    """Sees both weights."""

    summed = Event(Weight)
    retry = RetryPolicy(max_attempts=1)

    def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        NOTES.seen["instance"] = instance
        left: Weight = context.result(Weighing.left.weighed)
        right: Weight = context.result(Weighing.right.weighed)
        NOTES.seen["steps"] = {
            name: (step.payload, step.metadata, step.attempt) for name, step in context.steps.items()
        }
        return self.summed(Weight(grams=left.grams + right.grams))


class Peek(Step[object]):
    """Asks for what runs beside it."""

    peeked = Event()
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        NOTES.seen["peeked"] = sorted(context.steps)
        with pytest.raises(MissingResultError):
            context.result(Weighing.right.weighed)
        return self.peeked()


class Begin(Step[object]):
    """Opens the branches."""

    begun = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.begun()


class Weighing(
    Workflow[Basket], key="weighing", version=4, tags=("ours", "both"), metadata={"team": "shop", "by": "flow"}
):
    """The same step twice, side by side with one that asks too much."""

    begin = Begin()
    left = Weigh(Scale(unit=1))
    right = Weigh(Scale(unit=1000))
    peek = Peek()
    total = Sum()
    done = Done()
    start = begin
    transitions = (
        begin.begun.to(right, left),
        left.weighed.to(peek),
        peek.peeked.to(total),
        right.weighed.to(total),
        total.summed.to(done),
    )


async def weigh(*, tags: tuple[str, ...] = (), metadata: dict[str, object] | None = None) -> tuple[Partition, str]:
    partition = Partition((Weighing,))
    command = start_command(Weighing, "a", Basket(items=["tea", "salt"]), tags=tags, metadata=metadata)
    await partition.finish(await partition.cycle(partition.record(command)))
    state = partition.state("weighing::a", command.id)
    assert (state.status, state.error) == ("completed", None)
    return partition, command.id


@pytest.mark.parity(6, 8)
async def test_the_same_step_stands_twice_in_a_graph_each_time_with_its_own_configuration(seen: dict[str, Any]) -> None:
    await weigh()
    assert (seen["config 1"], seen["config 1000"]) == (Scale(unit=1), Scale(unit=1000))


@pytest.mark.parity(6)
async def test_a_step_is_told_which_run_it_is_in(seen: dict[str, Any]) -> None:
    _, run = await weigh()
    instance = seen["instance"]
    assert (instance.key, instance.id, instance.run) == ("weighing::a", "a", run)
    assert (instance.workflow, instance.version, instance.started_at) == ("Weighing", 4, BEGIN)


@pytest.mark.parity(9)
async def test_each_step_gets_a_start_payload_of_its_own(seen: dict[str, Any]) -> None:
    await weigh()
    assert seen["basket 1"] == seen["basket 1000"] == ["tea", "salt"]


@pytest.mark.parity(9)
async def test_a_step_sees_its_ancestors_and_not_what_ended_before_it_beside_it(seen: dict[str, Any]) -> None:
    partition, run = await weigh()
    ended = [node for kind, node in partition.told(run) if kind == "step_completed"]
    assert ended.index("right") < ended.index("peek")
    assert seen["peeked"] == ["begin", "left"]


@pytest.mark.parity(7, 9)
async def test_a_payload_is_read_as_its_model_with_what_was_said_beside_it(seen: dict[str, Any]) -> None:
    await weigh()
    assert seen["steps"]["left"] == (Weight(grams=1), {"unit": 1}, 1)
    assert seen["steps"]["right"] == (Weight(grams=1000), {"unit": 1000}, 1)


@pytest.mark.parity(7)
async def test_a_result_is_published_with_its_metadata_and_the_last_word_has_all_results() -> None:
    partition, _ = await weigh()
    results = {each["node"]: each for each in map(json.loads, partition.published(TOPICS.step_results))}
    [completion] = map(json.loads, partition.published(TOPICS.completions))
    assert (results["right"]["result"], results["right"]["metadata"]) == ({"grams": 1000}, {"unit": 1000})
    assert completion["results"]["total"] == {"grams": 1001}


@pytest.mark.parity(20)
async def test_a_run_has_the_tags_and_metadata_of_its_workflow_and_of_its_start(seen: dict[str, Any]) -> None:
    partition, run = await weigh(tags=("both", "mine"), metadata={"by": "me", "n": [1, {"x": None}]})
    state, instance = partition.state("weighing::a", run), seen["instance"]
    assert state.tags == instance.tags == ("ours", "both", "mine")
    assert state.metadata == instance.metadata == {"team": "shop", "by": "me", "n": [1, {"x": None}]}


@pytest.mark.parity(20)
async def test_without_any_of_its_own_a_run_has_those_of_its_workflow(seen: dict[str, Any]) -> None:
    await weigh()
    assert (seen["instance"].tags, seen["instance"].metadata) == (("ours", "both"), {"team": "shop", "by": "flow"})
