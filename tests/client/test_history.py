"""The history of a run: what is picked from the records of a key, and how it is read from a real topic."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from hephaestus_stream.client.history import HistorySearch, read_history
from hephaestus_stream.errors import RunNotFoundError, TopicMismatchError
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.topics import Topics
from tests.client.histories import KEY, PARTITIONS, publish, record


def beside(key: str) -> str:
    """Another key in the same partition."""
    place = partition_for(key.encode(), PARTITIONS)
    return next(
        other for number in range(99) if partition_for((other := f"orderid::{number}").encode(), PARTITIONS) == place
    )


def found(*values: bytes, workflow: str | None = "OrderFlow", run: str | None = None) -> list[tuple[str, int, str]]:
    search = HistorySearch(KEY, workflow=workflow, run=run)
    for value in values:
        search.see(value)
    return [(each.run, each.sequence, each.type) for each in search.result()]


def test_the_run_that_began_last_is_the_newest_though_an_older_one_still_goes_on() -> None:
    values = (
        record("started", run="old"),
        record("started", run="new"),
        record("suspended", run="old", sequence=2),
        record("suspended", run="new", sequence=2),
    )

    assert found(*values) == [("new", 1, "started"), ("new", 2, "suspended")]
    assert found(*values, run="old") == [("old", 1, "started"), ("old", 2, "suspended")]


def test_a_run_whose_beginning_is_deleted_is_found() -> None:
    assert found(record("suspended", sequence=7), record("completed", sequence=8)) == [
        ("run-1", 7, "suspended"),
        ("run-1", 8, "completed"),
    ]


def test_a_run_of_another_workflow_with_the_same_key_is_passed_over() -> None:
    values = (record("started"), record("started", run="refund", workflow="Refund"))

    assert found(*values) == [("run-1", 1, "started")]
    assert found(*values, workflow=None) == [("refund", 1, "started")]


def test_a_record_that_is_not_the_engines_hides_no_run() -> None:
    assert found(b"not JSON", record("started"), b"{}") == [("run-1", 1, "started")]


def test_a_key_without_a_run_is_told() -> None:
    with pytest.raises(RunNotFoundError, match=r"orderid::abc123 has no run of OrderFlow, .* is the id right"):
        found(record("started", workflow="Refund"))


def test_a_misspelt_run_is_told_with_the_last_ones_that_there_are() -> None:
    values = [record("started", run=f"run-{number}") for number in range(7)]

    with pytest.raises(
        RunNotFoundError, match=r"no run 'run-9' of OrderFlow; the last ones are run-2, run-3, .*run-6$"
    ):
        found(*values, run="run-9")
    with pytest.raises(RunNotFoundError, match="no run 'run-9' of OrderFlow; nor any other"):
        found(run="run-9")


@pytest.mark.parity(18)
def test_what_was_committed_for_the_key_is_read_to_the_end(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    publish(connection, [record("started"), record("step_started", sequence=2)])
    publish(connection, [record("started", run="other")], key=beside(KEY))
    publish(connection, [record("started", run="aborted")], is_committed=False)
    publish(connection, [record("suspended", sequence=3)])

    history = read_history(connection, KEY)

    assert [(each.run, each.sequence) for each in history] == [("run-1", 1), ("run-1", 2), ("run-1", 3)]


def test_a_transaction_under_way_is_not_waited_for(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    publish(connection, [record("started")])
    producer = Producer(connection.librdkafka(transactional_id=f"{connection.namespace}-open", linger_ms=0))
    producer.init_transactions(30)
    producer.begin_transaction()
    place = partition_for(KEY.encode(), PARTITIONS)
    producer.produce(Topics(connection.namespace).history, record("started", run="open"), KEY.encode(), place)
    assert producer.flush(10) == 0

    assert [each.run for each in read_history(connection, KEY)] == ["run-1"]
    producer.abort_transaction(10)


def test_an_empty_topic_has_no_run(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)

    with pytest.raises(RunNotFoundError):
        read_history(connection, KEY)


def test_a_namespace_without_topics_is_told(connection: Connection) -> None:
    with pytest.raises(TopicMismatchError, match="has no topics yet, or is misspelt"):
        read_history(connection, KEY)
