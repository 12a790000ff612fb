"""What users' models and functions raise costs their own run, whatever it is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Literal, cast

import pytest
from pydantic import BaseModel, field_validator

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Suspend, Workflow
from hephaestus_stream.wire.command import StartCommand, new_id
from hephaestus_stream.wire.request import start_command
from tests.cycle.partition import Partition

RAISED: dict[str, type[BaseException]] = {
    "an exit": SystemExit,
    "an interrupt": KeyboardInterrupt,
    "a cancellation": asyncio.CancelledError,
    "an exception": RuntimeError,
}


class Fussy(BaseModel):
    raises: str = ""

    @field_validator("raises")
    @classmethod
    def raise_it(cls, raises: str) -> str:
        if raises.startswith("validator "):
            raise RAISED[raises.removeprefix("validator ")]
        return raises


class Quick(Step[Fussy]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Fussy]) -> Outcome:
        return self.done()


class Muddled(Step[Fussy]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Fussy]) -> Outcome:
        return Suspend(timeout=cast("Any", 5), otherwise=self.done())


def fork(context: Context[Fussy]) -> Literal["left", "right"]:
    if context.initial.raises.startswith("route "):
        raise RAISED[context.initial.raises.removeprefix("route ")]
    return "left"


class Routed(Workflow[Fussy], key="routed"):
    quick = Quick()
    left = Done()
    right = Done()
    start = quick
    transitions = (quick.done.route(fork).to({"left": left, "right": right}),)


class Waiting(Workflow[Fussy], key="waiting"):
    muddled = Muddled()
    end = Done()
    start = muddled
    transitions = (muddled.done.to(end),)


def raw_start(raises: str) -> StartCommand:
    return StartCommand(id=new_id(), workflow="Routed", key="routed::1", input={"raises": raises})


@pytest.mark.parametrize("what", RAISED)
async def test_a_validator_that_raises_refuses_its_command_alone(what: str) -> None:
    partition = Partition((Routed,))

    refused, accepted = await partition.send(raw_start(f"validator {what}"), start_command(Routed, "2", Fussy()))

    assert (refused.accepted, refused.reason) == (False, "invalid_payload")
    assert accepted.accepted


@pytest.mark.parametrize("what", RAISED)
async def test_a_route_that_raises_fails_its_run_alone(what: str) -> None:
    partition = Partition((Routed,))
    poison, harmless = raw_start(f"route {what}"), start_command(Routed, "2", Fussy())

    await partition.send(poison, harmless)

    assert partition.state(poison.key, poison.id).status == "failed"
    assert partition.state(harmless.key, harmless.id).status == "completed"


async def test_a_wait_for_something_that_is_no_duration_is_a_failed_attempt() -> None:
    partition = Partition((Waiting,))
    command = start_command(Waiting, "1", Fussy())

    await partition.send(command)

    node = partition.state(command.key, command.id).nodes["muddled"]
    assert node.status == "retrying"
    assert node.error is not None
    assert "give a timedelta" in node.error.message
    assert node.due_at is not None
    assert node.due_at - partition.now < timedelta(minutes=1)
