"""The page about the wire says what is written and read: its examples, its words, its settings."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import timedelta
from typing import cast, get_args

import pytest
from pydantic import BaseModel

from hephaestus_stream import Done, RetryPolicy, Suspend, Wait, WaitForEvent, Workflow
from hephaestus_stream.core.answer import AnswerEffect, Reason
from hephaestus_stream.core.decision import HistoryType
from hephaestus_stream.errors import CommandRefusedError, PermanentError
from hephaestus_stream.runtime.topics import topic_specs
from hephaestus_stream.testing import SimulatedRun, Simulator
from hephaestus_stream.wire.command import COMMAND_MODELS, decode_command
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.output import CompletionRecord, HistoryRecord, Reply, StepResultRecord
from tests.docs.pages import Block, blocks, page, rows, section
from workflows.order import Order, OrderFlow, Reservation, ReserveStock, Review, ValidateOrder

PAGE = page("docs/wire.md")
OUTPUTS: dict[str, type[BaseModel]] = {
    "history": HistoryRecord,
    "step-results": StepResultRecord,
    "completions": CompletionRecord,
    "replies": Reply,
}
COMMANDS: dict[str, type[BaseModel]] = {**COMMAND_MODELS}
EXAMPLES = list(blocks(PAGE, "json"))
OPTIONAL = {"duplicate"}
"""Fields that are left out where they say nothing."""


def topic_of(example: Block) -> str:
    return example.kind.removeprefix("json ")


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def fields(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_there_is_an_example_of_each_command_and_of_each_output() -> None:
    assert {topic_of(example) for example in EXAMPLES} == {"commands", *OUTPUTS}
    commands = [decode_command(example.text.encode()) for example in EXAMPLES if topic_of(example) == "commands"]
    assert [command.type for command in commands] == list(COMMANDS)


@pytest.mark.parametrize("example", [each for each in EXAMPLES if topic_of(each) != "commands"], ids=str)
def test_the_example_of_an_output_has_the_fields_that_are_written(example: Block) -> None:
    model = OUTPUTS[topic_of(example)]
    model.model_validate_json(example.text)
    shown = set(cast("dict[str, object]", json.loads(example.text)))
    assert shown | OPTIONAL & fields(model) == fields(model)


def test_the_commands_in_the_shell_are_commands() -> None:
    [line] = re.findall(r"echo '(.*)'", PAGE)
    key, _, value = line.partition("|")
    assert decode_command(value.encode()).key == key


def test_the_table_of_fields_has_each_field_of_each_command() -> None:
    said: dict[str, set[str]] = defaultdict(set)
    required: dict[str, set[str]] = defaultdict(set)
    for field, commands, need, _ in rows(section(PAGE, "## Commands")):
        for command in COMMANDS if commands == "all" else commands.split(", "):
            said[command] |= words(field)
            required[command] |= words(field) if need else set()
    for name, model in COMMANDS.items():
        assert said[name] == fields(model)
        needed = {field for field, what in model.model_fields.items() if what.is_required()}
        # The schema is needed where its default would not do, which the table says in so many words.
        assert required[name] == {"type"} | needed - {"schema_version"}


def test_the_page_names_each_reason_and_no_other() -> None:
    assert sorted(cell.strip("`") for cell, *_ in rows(section(PAGE, "### Refusals"))) == sorted(get_args(Reason))


def test_the_page_names_each_effect() -> None:
    answers = section(PAGE, "## Answers")
    assert [effect for effect in get_args(AnswerEffect) if f"`{effect}`" not in answers] == []


@pytest.mark.parity(18)
def test_the_page_names_each_type_of_the_history_and_no_other() -> None:
    assert sorted(cell.strip("`") for cell, *_ in rows(section(PAGE, "## History"))) == sorted(get_args(HistoryType))


def test_the_page_names_the_headers_of_a_dead_letter() -> None:
    [sentence] = re.findall(r"The headers are text: ([^.]*)\.", section(PAGE, "## Dead letters"))
    assert words(sentence) == set(DeadLetter.__dataclass_fields__)


def test_the_page_has_each_topic_with_its_settings() -> None:
    table = {cell[0].strip("`"): cell for cell in rows(section(PAGE, "## Topics"))}
    specs = {spec.name: spec for spec in topic_specs("hephaestus")}
    assert set(table) == set(specs)
    for name, spec in specs.items():
        cell = table["hephaestus.history"] if table[name][3] == "the same" else table[name]
        must, made = cell[3], cell[4]
        for option, value in (*spec.exactly.items(), *spec.at_least.items()):
            assert f"{option}={value}" in must or f"`{option}` of {value} " in must or option == "max.message.bytes"
        assert words(made) == {f"{option}={value}" for option, value in spec.initially.items()}
    [limit] = {spec.at_least["max.message.bytes"] for spec in specs.values()}
    assert f"`max.message.bytes` of {limit} or more" in PAGE


class Flaky(ValidateOrder):
    """Comes to its end in the second attempt."""

    retry = RetryPolicy(max_attempts=2)


class EveryDetail(Workflow[Order], key="detail"):
    """Two waits, so that events come early, late and wrong."""

    check = Flaky()
    pause = Wait(timedelta(days=1))
    review = WaitForEvent(Review, timeout=timedelta(days=2))
    done = Done()
    rejected = Done()
    start = check
    transitions = (
        check.valid.to(pause),
        check.invalid.to(rejected),
        pause.elapsed.to(review),
        review.received.to(done),
        review.timed_out.to(done),
    )


class WithRest(Workflow[Order], key="detail", name="EveryDetail", version=2):
    """Another version, with a third wait at the end."""

    check = Flaky()
    pause = Wait(timedelta(days=1))
    review = WaitForEvent(Review, timeout=timedelta(days=2))
    rest = Wait(timedelta(days=1))
    done = Done()
    rejected = Done()
    start = check
    transitions = (
        check.valid.to(pause),
        check.invalid.to(rejected),
        pause.elapsed.to(review),
        review.received.to(rest),
        review.timed_out.to(rest),
        rest.elapsed.to(done),
    )


class WithoutPause(Workflow[Order], key="detail", name="EveryDetail", version=3):
    """A version that a run cannot move to while it pauses."""

    check = Flaky()
    review = WaitForEvent(Review, timeout=timedelta(days=2))
    done = Done()
    rejected = Done()
    start = check
    transitions = (
        check.valid.to(review),
        check.invalid.to(rejected),
        review.received.to(done),
        review.timed_out.to(done),
    )


async def moved_run(simulator: Simulator, order: Order) -> SimulatedRun:
    """A run that is to be started twice, is parked for a while, and moves to one of two other versions."""
    run = await simulator.start(EveryDetail, "moved", order)
    with pytest.raises(CommandRefusedError):
        await simulator.start(EveryDetail, "moved", order)
    run = await simulator.skip(run, timedelta(minutes=1))
    await simulator.deploy(WithRest)
    run = await simulator.resume(run, EveryDetail.review.received, Review(stars=5))
    with pytest.raises(CommandRefusedError):
        await simulator.migrate(run, WithoutPause)
    return await simulator.migrate(run, WithRest)


async def runs_of_all_kinds() -> list[SimulatedRun]:
    order = Order(sku="chair", quantity=2, customer="ada")
    simulator = Simulator()
    for check in (EveryDetail.check, WithRest.check):
        simulator.stub(check, ConnectionError("down"), ValidateOrder.valid())
    early = await simulator.start(EveryDetail, "early", order)
    early = await simulator.resume(early, EveryDetail.review.received, Review(stars=5))
    early = await simulator.resume(early, EveryDetail.review.received, Review(stars=4))
    with pytest.raises(CommandRefusedError):
        await simulator.resume(early, EveryDetail.pause.elapsed)
    early = await simulator.skip(early, timedelta(days=3))
    cancelled = await simulator.start(EveryDetail, "cancelled", order)
    cancelled = await simulator.cancel(cancelled, reason="customer asked")
    simulator.stub(OrderFlow.review, Suspend())
    ordered = await simulator.skip(await simulator.start(OrderFlow, "ordered", order), timedelta(minutes=1))
    ordered = await simulator.resume(ordered, OrderFlow.review.received, Review(stars=5))
    simulator.stub(OrderFlow.reserve, ReserveStock.reserved(Reservation(warehouse="B")))
    declined = await simulator.start(OrderFlow, "declined", order.model_copy(update={"card": "declined"}))
    steered = await steered_run(order)
    return [early, cancelled, ordered, declined, steered, await moved_run(simulator, order)]


async def steered_run(order: Order) -> SimulatedRun:
    told = {"by": "ada", "reason": "why not"}
    simulator = Simulator()
    simulator.stub(OrderFlow.validate, PermanentError("the list is lost"))
    run = await simulator.retry(await simulator.start(OrderFlow, "steered", order), **told)
    run = await simulator.skip_node(run, OrderFlow.validate.valid, **told)
    run = await simulator.continue_(await simulator.pause(run, **told), **told)
    return await simulator.terminate(run, **told)


@pytest.mark.parity(18)
async def test_the_details_of_the_history_are_those_of_the_page() -> None:
    documented = {kind.strip("`"): words(details) for kind, details, _ in rows(section(PAGE, "## History"))}
    found: dict[str, set[str]] = defaultdict(set)
    for run in await runs_of_all_kinds():
        for event in run.history:
            found[event.type] |= set(event.details)
    # These take a crash, a bug of ours, and a race.
    unseen = {"step_restarted", "step_held", "halted", "outcome_ignored"}
    assert {kind: details for kind, details in documented.items() if kind not in unseen} == found
