from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer

from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.eventlog.answers import Answers
from hephaestus_stream.eventlog.outcome import read_outcome
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output_bytes import encode_completion
from hephaestus_stream.wire.topics import Topics

NOW = datetime.now(UTC)


@pytest.fixture
def topics(connection: Connection) -> Topics:
    create_topics(connection, partitions=2, replication_factor=1)
    return Topics(connection.namespace)


def test_nothing_is_read_where_nothing_was_answered(connection: Connection) -> None:
    outcome = read_outcome(connection, Answers())

    assert (dict(outcome.ends), outcome.dead_letters) == ({}, 0)


def test_empty_topics_are_read_to_their_end(connection: Connection, topics: Topics) -> None:
    outcome = read_outcome(connection, _answers(topics, runs={"r-1"}))

    assert (dict(outcome.ends), outcome.dead_letters) == ({}, 0)


def test_the_ends_of_the_logs_own_runs_are_read_and_the_last_of_each_counts(
    connection: Connection, topics: Topics
) -> None:
    with _transaction(connection) as producer:
        for run, status in _ends(("r-1", "failed"), ("r-2", "completed"), ("r-1", "completed"), ("other", "failed")):
            producer.produce(topics.completions, _completion(run, status), run, partition=len(run) % 2)
        producer.produce(topics.completions, b"no completion", b"r-2", partition=0)

    outcome = read_outcome(connection, _answers(topics, runs={"r-1", "r-2", "r-3"}))

    assert dict(outcome.ends) == {"r-1": "completed", "r-2": "completed"}


def test_what_an_aborted_transaction_wrote_does_not_count(connection: Connection, topics: Topics) -> None:
    with _transaction(connection) as producer:
        producer.produce(topics.completions, _completion("r-1", "completed"), "r-1", partition=0)
    with _transaction(connection, is_aborted=True) as producer:
        producer.produce(topics.completions, _completion("r-2", "completed"), "r-2", partition=0)

    outcome = read_outcome(connection, _answers(topics, runs={"r-1", "r-2"}))

    assert dict(outcome.ends) == {"r-1": "completed"}


def test_dead_letters_count_where_they_are_commands_of_the_log(connection: Connection, topics: Topics) -> None:
    letters = (
        b'{"type": "cancel", "id": "c-1", "workflow": "F", "key": "f::1"}',
        b'{"type": "resume", "id": "c-2", "no": "command"}',
        b'{"type": "cancel", "id": "of somebody else", "workflow": "F", "key": "f::1"}',
        b"\xff",
    )
    with _transaction(connection) as producer:
        for letter in letters:
            producer.produce(topics.dead_letters, letter, b"f::1", partition=1)

    outcome = read_outcome(connection, _answers(topics, commands={"c-1", "c-2", "c-3"}))

    assert outcome.dead_letters == 2


def _answers(topics: Topics, *, runs: set[str] | None = None, commands: set[str] | None = None) -> Answers:
    assert topics.namespace
    return Answers(runs=runs or set(), commands=commands or set(), first_at=NOW)


def _ends(*ends: tuple[str, EndStatus]) -> Sequence[tuple[str, EndStatus]]:
    return ends


def _completion(run: str, status: EndStatus) -> bytes:
    return encode_completion(
        workflow="F", version=1, key="f::1", run=run, sequence=1, at=NOW, status=status, started_at=NOW, results={}
    )


@contextmanager
def _transaction(connection: Connection, *, is_aborted: bool = False) -> Generator[Producer]:
    producer = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-test"))
    producer.init_transactions(30)
    producer.begin_transaction()
    yield producer
    if is_aborted:
        assert producer.flush(30) == 0  # an abort would drop what has not been sent yet
        producer.abort_transaction(30)
    else:
        producer.commit_transaction(30)
