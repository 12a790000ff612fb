"""One run as it goes on: its history so far, then each further event as it is written, until it has ended."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.client.broker import (
    PATIENCE_SECONDS,
    SLICE_SECONDS,
    end_of,
    open_consumer,
    partitions_of,
    read,
    translated,
)
from hephaestus_stream.client.history import HistorySearch
from hephaestus_stream.client.questions import named
from hephaestus_stream.client.run import Run
from hephaestus_stream.client.scan import CLOCKS_SECONDS
from hephaestus_stream.client.whole_topic import records_to_end
from hephaestus_stream.core.state import ENDED
from hephaestus_stream.errors import RecordError
from hephaestus_stream.kafka_client import denied
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import HistoryRecord
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import AnyWorkflow
from hephaestus_stream.wire.topics import Topics

_CLOCKS: Final = timedelta(seconds=CLOCKS_SECONDS)


def watch_of(
    connection: Connection,
    workflow: Run | AnyWorkflow | str,
    id: str | None,  # noqa: A002 - the wire's own word
    *,
    run: str | None,
) -> Watch:
    """The watch that a verb means; raises as `Watch` does when it is asked for the first event."""
    name, key, run = named(workflow, id, run)
    since = workflow.at if isinstance(workflow, Run) else None
    return Watch(connection, key, workflow=name, run=run, since=since)


class Watch:
    """Iterates over the events of a run; None comes where none has been written for a moment.

    A broker that goes away is waited for.

    Args:
        connection: Where Kafka is.
        key: The full key.
        workflow: The stored name.
        run: Which run; without, the one that began last, or the next one where there is none.
        since: When the run began, as far as that is known: what is older is not read.

    Raises:
        BrokerUnreachableError: No broker answers, at the beginning.
        AccessDeniedError: The topic may not be read.
        TopicMismatchError: There is no such topic.
    """

    def __init__(
        self, connection: Connection, key: str, *, workflow: str, run: str | None, since: datetime | None = None
    ) -> None:
        self._connection = connection
        self._key = key
        self._workflow = workflow
        self._run = run
        self._since = since
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._events = self._read()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> HistoryRecord | None:
        with self._turn:
            return next(self._events)

    def read(self) -> HistoryRecord | Literal["ended"] | None:
        """The next event, as for those who iterate; for those who ask from another thread."""
        try:
            return next(self)
        except StopIteration:  # which no coroutine may let through
            return "ended"

    def close(self) -> None:
        """Ends it, from whatever thread."""
        self._stop.set()
        with self._turn:
            self._events.close()

    def _read(self) -> Generator[HistoryRecord | None]:
        topic = Topics(self._connection.namespace).history
        consumer = open_consumer(self._connection, isolation_level="read_committed", enable_partition_eof=True)
        try:
            partitions = partitions_of(consumer, topic, connection=self._connection)
            place = TopicPartition(topic, partition_for(self._key.encode(), partitions), OFFSET_BEGINNING)
            yield from self._follow(consumer, place)
        except KafkaException as failure:
            raise translated(failure, self._connection, right=f"Read on topic {topic}") from failure
        finally:
            consumer.close()

    def _follow(self, consumer: Consumer, place: TopicPartition) -> Iterator[HistoryRecord | None]:
        search = HistorySearch(self._key, workflow=self._workflow, run=self._run)
        for message in records_to_end(consumer, [self._beginning(consumer, place)], connection=self._connection):
            if self._stop.is_set():
                return
            if message.key() == search.key_bytes:
                search.see(message.value() or b"")
        last: HistoryRecord | None = None
        for last in search.found():
            yield last
        while not self._stop.is_set() and not (last is not None and last.type in ENDED):
            # Nothing is left for now: whoever shows events may say so.
            yield None
            for message in read(consumer, SLICE_SECONDS):
                record = self._record(message)
                if record is None or not self._is_next(record, last):
                    continue
                last = record
                yield record
                if record.type in ENDED:
                    return

    def _beginning(self, consumer: Consumer, place: TopicPartition) -> TopicPartition:
        if self._since is None:
            return place
        # Before the question: what is written meanwhile counts, where nothing is that late yet.
        end = end_of(consumer, place, connection=self._connection)
        at = int((self._since - _CLOCKS).timestamp() * 1_000)
        [found] = consumer.offsets_for_times([TopicPartition(place.topic, place.partition, at)], PATIENCE_SECONDS)
        return found if found.offset >= 0 else TopicPartition(place.topic, place.partition, end)

    def _record(self, message: Message) -> HistoryRecord | None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise denied(self._connection, error, right=f"Read on topic {message.topic()}")
            return None  # the end of the log for now, or what passes by itself
        if message.key() != self._key.encode():
            return None
        try:
            record = HistoryRecord.from_bytes(message.value() or b"")
        except RecordError:
            return None  # not the engine's
        return record if record.workflow == self._workflow else None

    def _is_next(self, record: HistoryRecord, last: HistoryRecord | None) -> bool:
        if last is None:
            return self._run in {None, record.run}
        return record.run == last.run and record.sequence > last.sequence
