"""One run of each key, whoever asks for it, from wherever, at whatever moment."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from confluent_kafka import Producer

from hephaestus_stream import AsyncClient, Client, CommandRefusedError
from hephaestus_stream.client.run import Run
from hephaestus_stream.wire import topics as names
from hephaestus_stream.wire.command import StartCommand, encode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import start_command
from tests.integration.checker import Topics, check_answers, check_histories
from tests.integration.unique_flows import Claim, Kept, Once
from tests.integration.workers import ASKS, PARTITIONS, Workers

FLOWS = "tests.integration.unique_flows"
IDS = [f"k{number}" for number in range(100)]


async def start(client: AsyncClient, id_: str) -> Run | CommandRefusedError:
    try:
        return await client.start(Claim, id_, None)
    except CommandRefusedError as refused:
        return refused


async def race(connection: Connection) -> list[tuple[Run | CommandRefusedError, Run | CommandRefusedError]]:
    """Two programs start every id at once; what each is told."""
    async with AsyncClient(connection) as one, AsyncClient(connection) as other:
        mine, theirs = await asyncio.gather(
            asyncio.gather(*(start(one, id_) for id_ in IDS)),
            asyncio.gather(*(start(other, id_) for id_ in reversed(IDS))),
        )
    return list(zip(mine, reversed(theirs), strict=True))


@pytest.mark.parity(15, 27)
def test_of_two_clients_that_start_a_key_at_the_same_moment_one_wins_and_the_other_learns_the_winner(
    workers: Workers, topics: Topics
) -> None:
    worker = workers.started(module=FLOWS)

    for told in asyncio.run(race(workers.connection)):
        [run] = [each for each in told if isinstance(each, Run)]
        [refused] = [each for each in told if isinstance(each, CommandRefusedError)]
        assert (refused.reason, refused.run) == ("already_running", run.run)

    assert worker.stop() == 0
    keys = [history[0]["key"] for history in check_histories(topics).values()]
    assert sorted(keys) == sorted(f"claim::{id_}" for id_ in IDS)


def send_as(partitioner: str, connection: Connection, commands: list[StartCommand]) -> Producer:
    """Publishes commands without waiting for the broker."""
    producer = Producer(connection.librdkafka(partitioner=partitioner, enable_idempotence=True, linger_ms=0))
    topic = names.Topics(connection.namespace).commands
    for command in commands:
        producer.produce(topic, encode_command(command), command.key, headers=list(ASKS))
    return producer


@pytest.mark.parity(15, 27)
def test_a_producer_whose_partitioner_is_another_takes_no_key_twice(workers: Workers, topics: Topics) -> None:
    worker = workers.started(module=FLOWS)
    right = [start_command(Claim, id_, None) for id_ in IDS]
    wrong = [start_command(Claim, id_, None) for id_ in reversed(IDS)]

    producers = [
        send_as("murmur2_random", workers.connection, right),
        send_as("consistent_random", workers.connection, wrong),  # librdkafka's default
    ]
    assert [producer.flush(20) for producer in producers] == [0, 0]
    workers.until(lambda: len(topics.records("replies")) == 2 * len(IDS), of=[worker])

    assert worker.stop() == 0
    strays = [each for each in topics.records("commands") if each.partition != partition_for(each.key, PARTITIONS)]
    assert {each.document["id"] for each in strays} <= {command.id for command in wrong}
    assert len(strays) > len(IDS) / 2
    answers, told = check_answers(topics), defaultdict[str, list[str]](list)
    for command in (*right, *wrong):
        told[command.key].append(command.id)
    for one, other in told.values():
        winner, loser = (one, other) if answers[one]["accepted"] else (other, one)
        assert (answers[winner]["effect"], answers[winner]["run"]) == ("applied", winner)
        assert (answers[loser]["reason"], answers[loser]["run"]) == ("already_running", winner)
    assert len(check_histories(topics)) == len(IDS)


def last_states(topics: Topics, run: str) -> list[bytes | None]:
    """The last record of each entry of the state that belongs to a run: its own, and its history."""
    last = {each.key: each.value for each in topics.records("state") if each.key[:1] in b"ih"}
    return [value for key, value in last.items() if run.encode() in key]


@pytest.mark.parity(15)
def test_an_ended_run_leaves_after_its_retention_and_its_key_is_free_again(
    workers: Workers, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPHAESTUS_RETENTION", "1")
    worker = workers.started(module=FLOWS)
    with Client(workers.connection) as client:
        kept, once = client.start(Kept, "a", None), client.start(Once, "a", None)
        assert [client.wait(run).status for run in (kept, once)] == ["completed", "completed"]

        again: list[Run] = []
        reasons: set[tuple[str, str | None]] = set()

        def is_free() -> bool:
            try:
                again.append(client.start(Once, "a", None))
            except CommandRefusedError as refused:
                reasons.add((refused.reason, refused.run))
            return bool(again)

        workers.until(is_free, of=[worker])
        assert reasons <= {("key_used", once.run)}
        # What its workflow says comes before what the worker says.
        with pytest.raises(CommandRefusedError) as refused:
            client.start(Kept, "a", None)

    assert (refused.value.reason, refused.value.run) == ("key_used", kept.run)
    assert worker.stop() == 0
    gone, here = last_states(topics, once.run), last_states(topics, kept.run)
    assert len(gone) == len(here) == 2
    assert not any(gone)
    assert all(here)
    histories = check_histories(topics)
    assert [histories[run.run][-1]["type"] for run in (once, *again)] == ["completed", "completed"]
