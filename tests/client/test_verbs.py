"""The verbs of both clients against a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from hephaestus_stream.client import AsyncClient, Client, Run
from hephaestus_stream.errors import ClientClosedError, CommandError, CommandRefusedError, NoAnswerError
from hephaestus_stream.wire.command import CancelCommand, ResumeCommand, StartCommand, new_id
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from tests.client.responder import PARTITIONS, Arrived, Responder
from workflows.order import Order, OrderFlow, Review

Eventually = Callable[[Callable[[], bool]], None]
ORDER = Order(sku="chair", quantity=2, customer="ada")
SOON = timedelta(seconds=1)
OFTEN = timedelta(milliseconds=150)


def a_start(name: str) -> StartCommand:
    return StartCommand(id=new_id(), workflow="OrderFlow", version=2, key=f"orderid::{name}", input={})


@pytest.mark.parity(16, 20)
async def test_a_started_run_is_a_reference_to_it(connection: Connection, responder: Responder) -> None:
    async with AsyncClient(connection) as client:
        run = await client.start(OrderFlow, "abc123", ORDER, tags=("eu",), metadata={"channel": "web"})
    (arrived,) = responder.arrived
    assert isinstance(arrived.command, StartCommand)
    assert (arrived.command.tags, arrived.command.metadata) == (("eu",), {"channel": "web"})
    assert (str(run), run.id, run.run, run.effect) == ("orderid::abc123", "abc123", arrived.command.id, "applied")
    assert (run.workflow, run.version, run.position) == ("OrderFlow", 2, arrived.offset)


def test_a_command_is_in_the_partition_that_java_would_choose(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        runs = [client.start(OrderFlow, f"order-{number}", ORDER) for number in range(12)]
    for run, arrived in zip(runs, responder.arrived, strict=True):
        assert run.partition == arrived.partition == partition_for(run.key.encode(), PARTITIONS)


@pytest.mark.parity(16)
async def test_a_refusal_is_an_error_with_its_reason(connection: Connection, responder: Responder) -> None:
    responder.judge = lambda _: "running already"
    async with AsyncClient(connection) as client:
        with pytest.raises(CommandRefusedError, match="orderid::abc123 is running already") as refused:
            await client.start(OrderFlow, "abc123", ORDER)
    assert refused.value.reason == "already_running"


@pytest.mark.parity(16)
def test_the_blocking_client_raises_the_same_refusal(connection: Connection, responder: Responder) -> None:
    responder.judge = lambda _: "running already"
    with Client(connection) as client, pytest.raises(CommandRefusedError, match="running already"):
        client.start(OrderFlow, "abc123", ORDER)


@pytest.mark.parity(16)
async def test_an_event_and_a_cancel_reach_the_run_they_name(connection: Connection, responder: Responder) -> None:
    async with AsyncClient(connection) as client:
        resumed = await client.resume(OrderFlow, "abc123", OrderFlow.review.received, Review(stars=5), run="run-7")
        cancelled = await client.cancel(OrderFlow, "abc123", reason="asked for")
    resume, cancel = (arrived.command for arrived in responder.arrived)
    assert isinstance(resume, ResumeCommand)
    assert (resume.node, resume.event, resume.payload, resume.run) == ("review", "received", {"stars": 5}, "run-7")
    assert isinstance(cancel, CancelCommand)
    assert cancel.reason == "asked for"
    assert (resumed.run, resumed.effect, resumed.command_id) == ("run-7", "applied", resume.id)
    assert (cancelled.key, cancelled.run) == ("orderid::abc123", "run-1")


async def test_without_waiting_the_verb_returns_when_the_broker_has_the_command_and_asks_for_no_answer(
    connection: Connection, responder: Responder, eventually: Eventually
) -> None:
    async with AsyncClient(connection) as client:
        run = await client.start(OrderFlow, "abc123", ORDER, wait=False, command_id="mine")
    assert (run.run, run.effect, run.position) == ("mine", None, None)
    assert run.at is not None
    eventually(lambda: bool(responder.arrived))
    assert responder.arrived[0].reply_partition is None


def test_a_command_without_an_answer_is_repeated_with_its_id_until_the_deadline(
    connection: Connection, responder: Responder
) -> None:
    with Client(connection, repeat_after=OFTEN) as client:
        client.start(OrderFlow, "first", ORDER)
        responder.arrived.clear()
        responder.judge = lambda _: "silent"
        with pytest.raises(NoAnswerError) as unanswered:
            client.start(OrderFlow, "abc123", ORDER, timeout=2 * SOON)
    assert len(responder.arrived) >= 2
    assert {arrived.command.id for arrived in responder.arrived} == {unanswered.value.command_id}
    assert "may still be applied" in str(unanswered.value)
    assert "is one running for this namespace?" in str(unanswered.value)


async def test_the_answer_to_a_repetition_is_the_answer(connection: Connection, responder: Responder) -> None:
    responder.judge = lambda _: "silent" if len(responder.arrived) < 2 else None
    async with AsyncClient(connection, repeat_after=OFTEN) as client:
        run = await client.start(OrderFlow, "abc123", ORDER)
    assert run.effect == "applied"
    assert len(responder.arrived) >= 2


async def test_a_call_that_was_cancelled_is_not_repeated(connection: Connection, responder: Responder) -> None:
    def times(key: str) -> int:
        return sum(arrived.command.key == f"orderid::{key}" for arrived in responder.arrived)

    responder.judge = lambda _: "silent" if times("repeated") < 2 else None
    async with AsyncClient(connection, repeat_after=timedelta(seconds=1)) as client:
        call = asyncio.ensure_future(client.start(OrderFlow, "given-up", ORDER))
        while not times("given-up"):  # noqa: ASYNC110 - the responder is a thread
            await asyncio.sleep(0.01)
        call.cancel()
        before = times("given-up")
        await client.start(OrderFlow, "repeated", ORDER)  # later, so its repetition is later too
    assert call.cancelled()
    assert times("given-up") == before


async def test_thousands_of_commands_are_under_way_at_once_and_each_gets_its_own_answer(
    connection: Connection, responder: Responder
) -> None:
    async with AsyncClient(connection) as client:
        commands = [a_start(f"order-{number}") for number in range(3_000)]
        replies = await asyncio.gather(*(client.submit(command) for command in commands))
    assert [reply.key for reply in replies] == [command.key for command in commands]
    assert len(responder.arrived) == len(commands)


def test_threads_share_a_client(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client, ThreadPoolExecutor(8) as threads:

        def start(number: int) -> Run:
            return client.start(OrderFlow, f"order-{number}", ORDER)

        runs = list(threads.map(start, range(64)))
    assert [run.id for run in runs] == [f"order-{number}" for number in range(64)]
    assert len(responder.arrived) == len(runs)


async def test_a_raw_command_gets_the_raw_answer_even_when_it_is_refused(
    connection: Connection, responder: Responder
) -> None:
    responder.judge = lambda _: "running already"
    async with AsyncClient(connection) as client:
        reply = await client.send(a_start("abc123"))
    assert (reply.accepted, reply.reason) == (False, "already_running")


@pytest.mark.parity(27)
async def test_the_same_id_twice_at_once_gets_one_answer_for_both(connection: Connection, responder: Responder) -> None:
    command = a_start("abc123")
    responder.judge = lambda _: "silent" if len(responder.arrived) < 2 else None
    async with AsyncClient(connection) as client:
        replies = await asyncio.gather(client.send(command), client.send(command))
    assert replies[0] == replies[1]


def test_a_client_hears_its_answers_among_those_to_others(connection: Connection, responder: Responder) -> None:
    def answered(number: int) -> str:
        with Client(connection) as client:
            return client.start(OrderFlow, f"order-{number}", ORDER).id

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(answered, range(6))) == [f"order-{number}" for number in range(6)]
    asked = {arrived.reply_partition for arrived in responder.arrived}
    assert asked <= set(range(PARTITIONS))


def test_a_payload_that_does_not_fit_never_leaves_the_program(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        with pytest.raises(CommandError, match="the input of OrderFlow cannot be sent"):
            client.start(OrderFlow, "abc123", {"sku": 1})  # type: ignore[misc]  # pyright: ignore[reportArgumentType]  # wrong on purpose
        client.start(OrderFlow, "other", ORDER)
    assert [arrived.command.key for arrived in responder.arrived] == ["orderid::other"]


def test_a_command_larger_than_a_record_is_refused_and_the_client_goes_on(
    connection: Connection, responder: Responder
) -> None:
    with Client(connection) as client:
        with pytest.raises(CommandError, match=r"a record at most 1,000,000") as refused:
            client.start(OrderFlow, "huge", Order(sku="x" * 1_100_000, quantity=1, customer="ada"))
        assert refused.value.reason == "too_large"
        assert client.start(OrderFlow, "small", ORDER).effect == "applied"
    assert len(responder.arrived) == 1


async def test_closing_ends_those_who_still_wait(
    connection: Connection, responder: Responder, eventually: Eventually
) -> None:
    responder.judge = lambda _: "silent"
    client = AsyncClient(connection)
    waiting = asyncio.create_task(client.start(OrderFlow, "abc123", ORDER))
    await asyncio.to_thread(eventually, lambda: bool(responder.arrived))
    await client.close()
    with pytest.raises(NoAnswerError, match="the client was closed"):
        await waiting
    with pytest.raises(ClientClosedError, match="make another one"):
        await client.start(OrderFlow, "abc123", ORDER)


async def test_submitting_before_opening_is_refused_with_the_way_out(connection: Connection) -> None:
    with pytest.raises(ClientClosedError, match="not open: write `with` or call `open` first"):
        AsyncClient(connection).submit(a_start("abc123"))


def test_the_position_of_an_answer_is_the_offset_of_the_command(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        run = client.start(OrderFlow, "abc123", ORDER)
    arrived: Arrived = responder.arrived[0]
    assert (run.partition, run.position) == (arrived.partition, arrived.offset)
