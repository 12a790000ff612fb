"""Waiting for the ends of runs, on a real Kafka."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from confluent_kafka import Producer

from hephaestus_stream.client import AsyncClient, Client, Run
from hephaestus_stream.errors import ClientClosedError, MissingResultError, NotEndedError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from tests.client.responder import PARTITIONS, Responder
from workflows.order import Order, OrderFlow, Payment

ORDER = Order(sku="chair", quantity=2, customer="ada")
LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=300)


async def test_a_run_that_ends_later_is_waited_for(connection: Connection, responder: Responder) -> None:
    async with AsyncClient(connection) as client:
        run = await client.start(OrderFlow, "abc123", ORDER)
        waiting = asyncio.create_task(client.wait(run))
        with pytest.raises(NotEndedError, match=r"orderid::abc123 has not ended within 0\.3 s: "):
            await client.wait(run, timeout=SHORT)
        responder.end(run.run, key=run.key)
        completion = await waiting
    assert (completion.status, completion.ended_at, completion.run) == ("completed", "done", run.run)
    assert completion.result(OrderFlow.charge.charged) == Payment(reference="p-1")


def test_who_waits_after_a_command_without_an_answer_misses_no_end_for_the_difference_of_the_clocks(
    connection: Connection, responder: Responder
) -> None:
    with Client(connection) as client:
        published = client.cancel(OrderFlow, "abc123", wait=False)
        responder.end("former", key=published.key, is_behind=timedelta(minutes=1))
        responder.end("run-1", key=published.key, status="cancelled", is_behind=timedelta(seconds=4))
        assert client.wait(published, timeout=LONG).run == "run-1"


def test_a_run_that_ended_before_the_wait_is_found(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        run = client.start(OrderFlow, "abc123", ORDER)
        responder.end(run.run, key=run.key)
        assert client.wait(run, timeout=LONG).run == run.run


def test_a_run_of_which_only_its_name_is_known_is_found(connection: Connection, responder: Responder) -> None:
    key = "orderid::abc123"
    responder.end("run-1", key=key)
    run = Run("OrderFlow", 2, key, "run-1", partition_for(key.encode(), PARTITIONS))
    with Client(connection) as client:
        assert client.wait(run, timeout=LONG).run == "run-1"


def test_an_id_means_its_latest_end(connection: Connection, responder: Responder) -> None:
    responder.end("run-1", key="orderid::abc123")
    responder.end("run-2", key="orderid::abc123")
    responder.end("run-3", key="orderid::other")
    responder.end("run-4", key="orderid::abc123", workflow="Refund")
    with Client(connection) as client:
        assert client.wait(OrderFlow, "abc123", timeout=LONG).run == "run-2"


def test_an_id_that_never_ended_means_its_next_end(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        with pytest.raises(NotEndedError, match=r"orderid::abc123 has not ended within 0\.3 s, or has no run"):
            client.wait(OrderFlow, "abc123", timeout=SHORT)
        responder.end("run-1", key="orderid::abc123")
        assert client.wait(OrderFlow, "abc123", timeout=LONG).run == "run-1"


def test_of_a_run_that_was_retried_after_its_failure_the_last_end_counts(
    connection: Connection, responder: Responder
) -> None:
    with Client(connection) as client:
        run = client.start(OrderFlow, "abc123", ORDER)
        responder.end(run.run, key=run.key, status="failed", sequence=5)
        responder.end(run.run, key=run.key, status="completed", sequence=9)
        completion = client.wait(run, timeout=LONG)
    assert (completion.status, completion.sequence) == ("completed", 9)


def test_a_failed_run_is_an_end_as_well(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        run = client.start(OrderFlow, "abc123", ORDER)
        responder.end(run.run, key=run.key, status="failed")
        assert client.wait(run, timeout=LONG).status == "failed"


def test_an_end_that_was_never_committed_is_not_seen(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        run = client.start(OrderFlow, "abc123", ORDER)
        owner = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-owner"))
        owner.init_transactions(20)
        owner.begin_transaction()
        lost = Responder(connection)
        lost.producer = owner
        lost.end(run.run, key=run.key, status="failed")
        owner.abort_transaction(20)
        with pytest.raises(NotEndedError):
            client.wait(run, timeout=timedelta(seconds=1))
        responder.end(run.run, key=run.key)
        assert client.wait(run, timeout=LONG).status == "completed"


async def test_hundreds_of_waits_share_one_reader_in_any_order(connection: Connection, responder: Responder) -> None:
    async with AsyncClient(connection) as client:
        runs = [await client.start(OrderFlow, f"order-{number}", ORDER) for number in range(200)]
        for run in runs[:100]:
            responder.end(run.run, key=run.key)
        waiting = [asyncio.create_task(client.wait(run)) for run in reversed(runs)]
        for run in runs[100:]:
            responder.end(run.run, key=run.key)
        completions = await asyncio.gather(*waiting)
        again = [await client.wait(run) for run in runs[:20]]  # one after the other, out of what was seen
    assert [completion.run for completion in completions] == [run.run for run in reversed(runs)]
    assert [completion.run for completion in again] == [run.run for run in runs[:20]]


async def test_a_cancelled_wait_leaves_the_others_alone(connection: Connection, responder: Responder) -> None:
    async with AsyncClient(connection) as client:
        run = await client.start(OrderFlow, "abc123", ORDER)
        given_up = asyncio.create_task(client.wait(run))
        patient = asyncio.create_task(client.wait(run))
        await asyncio.sleep(0)
        given_up.cancel()
        responder.end(run.run, key=run.key)
        assert (await patient).run == run.run
    assert given_up.cancelled()


async def test_closing_ends_the_waits(connection: Connection, responder: Responder) -> None:
    async with AsyncClient(connection) as client:
        run = await client.start(OrderFlow, "abc123", ORDER)
        waiting = asyncio.create_task(client.wait(run))
        with pytest.raises(NotEndedError):
            await client.wait(run, timeout=SHORT)
    with pytest.raises(ClientClosedError, match="closed while it waited"):
        await waiting
    assert len(responder.arrived) == 1


def test_a_result_that_is_missing_names_those_that_are_there(connection: Connection, responder: Responder) -> None:
    with Client(connection) as client:
        run = client.start(OrderFlow, "abc123", ORDER)
        responder.end(run.run, key=run.key)
        completion = client.wait(run, timeout=LONG)
    with pytest.raises(MissingResultError, match="no result of reserve; the nodes with one are: charge"):
        completion.result(OrderFlow.reserve.reserved)
    with pytest.raises(MissingResultError, match=r"no payload of charge\.declined"):
        completion.result(OrderFlow.charge.declined)


async def test_a_number_is_no_timeout(connection: Connection) -> None:
    seconds: timedelta = 3  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # what a user may try
    with pytest.raises(TypeError, match="give a timedelta"):
        await AsyncClient(connection).wait(OrderFlow, "abc123", timeout=seconds)
    with pytest.raises(TypeError, match="give a timedelta"):
        Client(connection).wait(OrderFlow, "abc123", timeout=seconds)
