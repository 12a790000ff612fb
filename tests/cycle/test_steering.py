"""Commands that steer a run, in a partition: what is kept, told and indexed of them, and what stands against them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hephaestus_stream import Context, Done, Event, Instance, Outcome, PermanentError, Step, WaitForEvent, Workflow
from hephaestus_stream.cycle.search import count, page
from hephaestus_stream.cycle.view import view
from hephaestus_stream.encryption import Cipher
from hephaestus_stream.encryption.command import sealed
from hephaestus_stream.encryption.key import Keyring
from hephaestus_stream.wire.command import ContinueCommand, PauseCommand, RetryCommand, SkipCommand, TerminateCommand
from hephaestus_stream.wire.query import InstanceFilter, InstanceQuery
from hephaestus_stream.wire.request import skip_command, start_command, steering_command
from tests.cycle.flows import Order, Review, Stars
from tests.cycle.partition import BEGIN, TOPICS, Partition, replies

RETENTION = timedelta(days=1)


class Ship(Step[Order]):
    """Fails until somebody mends the road."""

    shipped = Event(Stars)

    async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        if not context.initial.note:
            raise PermanentError("the road is closed")
        return self.shipped(Stars(stars=context.attempt))


class Shipping(Workflow[Order], key="shipping", retention=RETENTION):
    ship = Ship()
    end = Done()
    start = ship
    transitions = (ship.shipped.to(end),)


class ShippingOnce(Workflow[Order], key="shipping", reuse="after_failure"):
    ship = Ship()
    end = Done()
    start = ship
    transitions = (ship.shipped.to(end),)


class Mail(Workflow[Order], key="shipping", scope="global"):
    """Claims the key for itself, whatever workflow has it."""

    stars = WaitForEvent(Stars)
    end = Done()
    start = stars
    transitions = (stars.received.to(end),)


ROAD = {"by": "ada", "reason": "the road is open"}


async def failed(partition: Partition, flow: type[Workflow[Order]] = Shipping) -> str:
    start = start_command(flow, "a", Order())
    await partition.send(start)
    assert partition.state(start.key, start.id).status == "failed"
    return start.id


async def test_a_retried_run_is_live_again_for_its_key_for_searches_and_for_its_retention() -> None:
    partition = Partition([Shipping])
    run = await failed(partition)
    partition.now += RETENTION / 2
    batch = await partition.cycle(partition.record(steering_command(RetryCommand, Shipping, "a", **ROAD)))
    [retried] = replies(batch)
    assert (retried.effect, retried.run) == ("applied", run)
    assert count(partition.store, InstanceFilter(status=("running",)), ()).total == 1
    [again] = await partition.send(start_command(Shipping, "a", Order()))
    assert again.reason == "already_running"
    await partition.finish(batch)
    assert [record.type for record in partition.history(run)][-1] == "failed"
    assert len(partition.published(TOPICS.completions)) == 2

    partition.now += RETENTION * 3 / 4
    await partition.cycle()
    assert partition.state("shipping::a", run).status == "failed"
    assert count(partition.store, InstanceFilter(), ()).total == 1
    partition.now += RETENTION
    await partition.cycle()
    await partition.cycle()
    assert count(partition.store, InstanceFilter(), ()).total == 0


async def test_who_steers_and_why_stands_in_the_history() -> None:
    partition = Partition([Shipping])
    run = await failed(partition)
    command = steering_command(RetryCommand, Shipping, "a", **ROAD)
    await partition.send(command)
    [retried] = [record for record in partition.history(run) if record.type == "retried"]
    assert retried.details == {"command": command.id, **ROAD}


async def test_a_run_is_not_retried_while_another_one_has_its_key() -> None:
    partition = Partition([Shipping, Mail])
    run = await failed(partition)
    mail = start_command(Mail, "a", Order())
    await partition.send(mail)
    [refused] = await partition.send(steering_command(RetryCommand, Shipping, "a"))
    assert (refused.reason, refused.run) == ("already_running", mail.id)
    assert partition.state("shipping::a", run).status == "failed"


async def test_a_run_is_not_retried_that_another_one_has_made_good() -> None:
    flow = ShippingOnce
    partition = Partition([flow])
    run = await failed(partition, flow)
    await partition.send(start_command(flow, "a", Order(note="by air")))
    [refused] = await partition.send(steering_command(RetryCommand, flow, "a", run=run))
    assert refused.reason == "key_used"


async def test_a_paused_run_is_found_as_such() -> None:
    partition = Partition([Review])
    await partition.send(start_command(Review, "a", Order()), start_command(Review, "b", Order()))
    await partition.send(steering_command(PauseCommand, Review, "a"))
    assert [each.key for each in page(partition.store, InstanceQuery(paused=True)).instances] == ["review::a"]
    assert [each.key for each in page(partition.store, InstanceQuery(paused=False)).instances] == ["review::b"]
    assert count(partition.store, InstanceFilter(paused=True), ()).total == 1
    assert count(partition.store, InstanceFilter(paused=False), ()).total == 1
    assert count(partition.store, InstanceFilter(halted=True), ()).total == 0


async def test_no_timer_of_a_paused_run_is_kept_and_what_fell_due_happens_when_it_continues() -> None:
    partition = Partition([Review])
    start = start_command(Review, "a", Order())
    await partition.send(start)
    await partition.send(steering_command(PauseCommand, Review, "a"))
    assert "t" not in partition.tables()
    shown = view(partition.state(start.key, start.id), shard=partition.shard, position=0)
    assert (shown.paused, shown.next_timer, shown.nodes["stars"].due_at) == (True, None, BEGIN + timedelta(hours=1))
    await partition.skip(timedelta(days=1))
    assert partition.state(start.key, start.id).is_live
    await partition.send(steering_command(ContinueCommand, Review, "a"))
    await partition.skip(timedelta(0))
    assert partition.state(start.key, start.id).ended_at == "late"


async def test_a_skipped_node_has_the_payload_as_its_model_writes_it_and_keeps_it_sealed() -> None:
    cipher = Cipher(Keyring({"one": bytes(32)}))
    partition = Partition([Shipping], cipher=cipher)
    await failed(partition)
    command = skip_command(Shipping, "a", Shipping.ship.shipped, Stars(stars=5))
    [reply] = await partition.send(sealed(command, cipher))
    assert reply.effect == "applied"
    assert all(b'"stars"' not in value for value in partition.published(TOPICS.step_results))
    [completion] = [value for value in partition.published(TOPICS.completions) if b'"completed"' in value]
    assert b'"stars"' not in completion


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"event": "shipped", "payload": {"stars": "many"}}, "invalid_payload"),
        ({"event": "lost", "payload": None}, "unknown_event"),
        ({"node": "lost", "event": "shipped", "payload": None}, "unknown_node"),
    ],
)
async def test_a_skip_that_does_not_fit_is_refused(fields: dict[str, Any], reason: str) -> None:
    partition = Partition([Shipping])
    run = await failed(partition)
    told = {"schema": 3, "id": "s-1", "workflow": "Shipping", "key": "shipping::a", "node": "ship"}
    [refused] = await partition.send(SkipCommand.model_validate(told | fields))
    assert refused.reason == reason
    assert partition.state("shipping::a", run).status == "failed"


async def test_a_parked_run_is_paused_and_ended_and_nothing_else() -> None:
    partition = Partition([Review])
    await partition.send(start_command(Review, "a", Order()), start_command(Review, "b", Order()))
    heir = partition.under(Shipping)
    [paused, ended] = await heir.send(
        steering_command(PauseCommand, Review, "a"), steering_command(TerminateCommand, Review, "b")
    )
    assert (paused.effect, ended.effect) == ("applied", "applied")
    for command in (steering_command(ContinueCommand, Review, "a"), steering_command(RetryCommand, Review, "a")):
        [refused] = await heir.send(command)
        assert (refused.reason, "Review" in (refused.message or "")) == ("parked", True)


async def test_the_same_steering_command_again_has_no_second_effect() -> None:
    partition = Partition([Shipping])
    run = await failed(partition)
    command = steering_command(RetryCommand, Shipping, "a")
    await partition.finish(await partition.cycle(partition.record(command)))
    [again] = await partition.send(command)
    assert again.duplicate
    assert [record.type for record in partition.history(run)].count("retried") == 1
