"""The transactional producer against a real broker."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from hephaestus_stream.errors import (
    BrokerUnreachableError,
    CommitFailedError,
    FencedError,
    RecordRefusedError,
    StoppedError,
)
from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.topics import TopicSpec, create_topics
from hephaestus_stream.runtime.transaction import RECORD_LIMIT, TransactionalProducer
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics

PARTITION = 1

MakeProducer = Callable[[], TransactionalProducer]


@pytest.fixture
def short_history(connection: Connection) -> None:
    """A history topic whose broker refuses what the producer lets through."""
    spec = TopicSpec(name=Topics(connection.namespace).history, exactly={"max.message.bytes": "20000"})
    Cluster(connection).create([spec], partitions=2, replication_factor=1)


@pytest.fixture
def keyed_history(connection: Connection) -> None:
    """A history topic whose broker refuses a record without a key."""
    spec = TopicSpec(name=Topics(connection.namespace).history, exactly={"cleanup.policy": "compact"})
    Cluster(connection).create([spec], partitions=2, replication_factor=1)


@pytest.fixture
def topics(connection: Connection) -> Topics:
    create_topics(connection, partitions=2, replication_factor=1)
    return Topics(connection.namespace)


@pytest.fixture
def make_producer(connection: Connection, topics: Topics) -> Generator[MakeProducer]:  # noqa: ARG001 - they must exist
    with ExitStack() as producers:

        def make() -> TransactionalProducer:
            producer = TransactionalProducer(connection, partition=PARTITION, stop=threading.Event())
            producers.callback(producer.close)
            producer.open()
            return producer

        yield make


def committed(connection: Connection, topic: str) -> list[Message]:
    """What a reader with `read_committed` finds in the partition, up to its end."""
    settings = connection.librdkafka(
        group_id="test", isolation_level="read_committed", enable_partition_eof=True, enable_auto_commit=False
    )
    consumer = Consumer({**settings})
    consumer.assign([TopicPartition(topic, PARTITION, 0)])
    found: list[Message] = []
    try:
        while True:
            for message in consumer.consume(100, 1.0):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    return found
                else:
                    pytest.fail(str(error))
    finally:
        consumer.close()


def values(connection: Connection, topic: str) -> list[bytes | None]:
    return [message.value() for message in committed(connection, topic)]


@pytest.mark.parity(26)
def test_a_batch_appears_in_all_topics_as_one(
    connection: Connection, topics: Topics, make_producer: MakeProducer
) -> None:
    batch = [
        OutputRecord(topics.state, b"a", b"1"),
        OutputRecord(topics.history, b"a", b"started", [("traceparent", b"00-1")]),
        OutputRecord(topics.state, b"b", None),
    ]
    offset = make_producer().commit(batch)
    state = committed(connection, topics.state)
    assert [(message.key(), message.value()) for message in state] == [(b"a", b"1"), (b"b", None)]
    assert state[-1].offset() == offset
    assert committed(connection, topics.history)[0].headers() == [("traceparent", b"00-1")]


def test_the_offset_is_that_of_the_last_state_record_of_each_commit(
    topics: Topics, make_producer: MakeProducer
) -> None:
    producer = make_producer()
    assert producer.commit([OutputRecord(topics.state, b"a", b"1")] * 3) == 2
    # One offset went to the commit marker.
    assert producer.commit([OutputRecord(topics.state, b"a", b"2")]) == 4
    assert producer.commit([OutputRecord(topics.history, b"a", b"3")]) is None
    assert producer.commit([]) is None


@pytest.mark.parity(23, 26)
def test_a_second_owner_fences_the_first_whose_open_transaction_vanishes(
    connection: Connection, topics: Topics, make_producer: MakeProducer
) -> None:
    # The first owner as a bare producer, to stop it between producing and committing.
    first = Producer({**connection.librdkafka(transactional_id=f"{connection.namespace}-{PARTITION}")})
    first.init_transactions(30)
    first.begin_transaction()
    first.produce(topics.state, b"never", b"a", PARTITION)
    assert first.flush(30) == 0
    assert make_producer().commit([OutputRecord(topics.state, b"a", b"second")]) is not None
    with pytest.raises(KafkaException, match="fenced"):
        first.commit_transaction(30)
    assert values(connection, topics.state) == [b"second"]


def test_an_idle_owner_that_was_fenced_learns_it_with_its_next_commit_and_stays_fenced(
    topics: Topics, make_producer: MakeProducer
) -> None:
    first = make_producer()
    first.commit([OutputRecord(topics.state, b"a", b"1")])
    make_producer()
    for _ in range(2):
        with pytest.raises(FencedError):
            first.commit([OutputRecord(topics.state, b"a", b"2")])


def test_an_owner_that_is_found_to_be_fenced_while_it_still_produces_says_so(
    topics: Topics, make_producer: MakeProducer
) -> None:
    first = make_producer()
    first.commit([OutputRecord(topics.state, b"a", b"1")])
    make_producer()
    # So many that the first of them are refused before the last one is handed over.
    many = [OutputRecord(topics.state, b"a", b"2")] * 50_000
    with pytest.raises(FencedError):
        first.commit(many)


def test_a_fencing_that_the_error_callback_tells_is_honoured(make_producer: MakeProducer) -> None:
    producer = make_producer()
    producer.hear(KafkaError(KafkaError._FENCED, "fenced by another", fatal=True))
    with pytest.raises(FencedError):
        producer.check()


def test_a_fatal_error_that_is_no_fencing_names_its_reason(make_producer: MakeProducer) -> None:
    producer = make_producer()
    producer.hear(KafkaError(KafkaError.INVALID_PRODUCER_ID_MAPPING, "not allowed", fatal=True))
    with pytest.raises(CommitFailedError, match="not allowed"):
        producer.check()


def test_an_oversized_record_is_named_and_the_next_commit_works(
    connection: Connection, topics: Topics, make_producer: MakeProducer
) -> None:
    producer = make_producer()
    oversized = OutputRecord(topics.history, b"a", b"x" * (RECORD_LIMIT + 1))
    with pytest.raises(RecordRefusedError, match="too large") as refused:
        producer.commit([OutputRecord(topics.state, b"a", b"dropped"), oversized])
    assert refused.value.index == 1
    producer.commit([OutputRecord(topics.state, b"a", b"kept")])
    assert values(connection, topics.state) == [b"kept"]


def test_a_header_that_cannot_be_written_is_named_and_the_next_commit_works(
    connection: Connection, topics: Topics, make_producer: MakeProducer
) -> None:
    producer = make_producer()
    bad: list[tuple[str, bytes]] = [("traceparent", 5)]  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType] - the point
    with pytest.raises(RecordRefusedError, match="header") as refused:
        producer.commit([OutputRecord(topics.history, b"a", b"x", bad)])
    assert refused.value.index == 0
    producer.commit([OutputRecord(topics.state, b"a", b"kept")])
    assert values(connection, topics.state) == [b"kept"]


@pytest.mark.usefixtures("keyed_history")
def test_of_a_batch_that_the_broker_refuses_only_the_guilty_record_is_named(
    connection: Connection, topics: Topics, make_producer: MakeProducer
) -> None:
    producer = make_producer()
    innocent = OutputRecord(topics.history, b"a", b"x" * 100)
    guilty = OutputRecord(topics.history, None, b"x")
    with pytest.raises(RecordRefusedError) as refused:
        producer.commit([innocent, innocent, guilty, innocent])
    assert refused.value.index == 2
    producer.commit([innocent])
    assert len(committed(connection, topics.history)) == 1


@pytest.mark.usefixtures("keyed_history")
def test_an_error_that_comes_while_still_producing_is_not_blamed_on_a_later_record(
    topics: Topics, make_producer: MakeProducer
) -> None:
    producer = make_producer()
    innocent = OutputRecord(topics.history, b"a", b"x")
    producer.commit([innocent])
    with pytest.raises(RecordRefusedError) as refused:
        producer.commit([OutputRecord(topics.history, None, b"x"), *[innocent] * 90_000])
    assert refused.value.index == 0


@pytest.mark.usefixtures("short_history")
def test_a_topic_that_takes_less_than_the_engine_needs_is_not_blamed_on_a_record(
    topics: Topics, make_producer: MakeProducer
) -> None:
    with pytest.raises(CommitFailedError, match=rf"{topics.history} .* `max.message.bytes` must be 2000000 or more"):
        make_producer().commit([OutputRecord(topics.history, b"a", random_bytes(30_000))])


@pytest.mark.usefixtures("short_history")
def test_records_that_are_too_large_only_together_are_committed_one_by_one(
    connection: Connection, topics: Topics, make_producer: MakeProducer
) -> None:
    batch = [OutputRecord(topics.history, b"a", random_bytes(5_000)) for _ in range(10)]
    make_producer().commit([*batch, OutputRecord(topics.state, b"a", b"1")])
    assert values(connection, topics.history) == [record.value for record in batch]
    assert values(connection, topics.state) == [b"1"]


@pytest.mark.usefixtures("keyed_history")
def test_after_an_abortable_error_the_same_batch_is_repeated_once(
    connection: Connection, topics: Topics, make_producer: MakeProducer
) -> None:
    # The sequence numbers that the refused batch left unused make the broker refuse the next one once.
    producer = make_producer()
    with pytest.raises(RecordRefusedError):
        producer.commit([OutputRecord(topics.history, None, b"x")])
    for number in range(3):
        producer.commit([OutputRecord(topics.history, b"a", b"%d" % number), OutputRecord(topics.state, b"a", b"x")])
    assert values(connection, topics.history) == [b"0", b"1", b"2"]
    assert len(committed(connection, topics.state)) == 3


def test_more_records_than_the_queue_takes_are_still_one_transaction(connection: Connection, topics: Topics) -> None:
    small_queue = Connection(connection.bootstrap, connection.namespace, {"queue.buffering.max.messages": "100"})
    producer = TransactionalProducer(small_queue, partition=PARTITION, stop=threading.Event())
    producer.open()
    offset = producer.commit([OutputRecord(topics.state, b"a", b"%d" % number) for number in range(1_000)])
    producer.close()
    assert offset == 999
    assert len(committed(connection, topics.state)) == 1_000


def test_a_partition_that_the_topic_lacks_is_not_blamed_on_a_record(connection: Connection, topics: Topics) -> None:
    producer = TransactionalProducer(connection, partition=7, stop=threading.Event())
    producer.open()
    with pytest.raises(CommitFailedError, match="UNKNOWN_PARTITION"):
        producer.commit([OutputRecord(topics.state, b"a", b"1")])
    producer.close()


def test_a_stop_ends_the_call(connection: Connection, topics: Topics) -> None:
    stop = threading.Event()
    producer = TransactionalProducer(connection, partition=PARTITION, stop=stop)
    producer.open()
    stop.set()
    with pytest.raises(StoppedError, match="partition 1"):
        producer.commit([OutputRecord(topics.state, b"a", b"1")])
    producer.close()
    assert values(connection, topics.state) == []


def test_without_a_broker_opening_names_the_address() -> None:
    producer = TransactionalProducer(Connection("localhost:1"), partition=0, stop=threading.Event())
    with pytest.raises(BrokerUnreachableError, match="localhost:1"):
        producer.open()
    producer.close()


def random_bytes(count: int) -> bytes:
    """Bytes that no compression makes smaller."""
    return secrets.token_bytes(count)
