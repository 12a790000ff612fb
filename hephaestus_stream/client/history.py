"""The history of one run, read from the `history` topic: its key's partition from the beginning to the end."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from hephaestus_stream.client.broker import open_consumer, partitions_of, translated
from hephaestus_stream.client.whole_topic import records_to_end
from hephaestus_stream.errors import RecordError, RunNotFoundError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import HistoryRecord
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.topics import Topics

_MOST_RUNS_TOLD: Final = 5


def read_history(
    connection: Connection, key: str, *, workflow: str | None = None, run: str | None = None
) -> tuple[HistoryRecord, ...]:
    """The events of a run so far, in the order of their sequence.

    All of the partition is read, since nothing says where a key's records are: seconds for a million of them. Of a run
    that is older than the topic's retention the first events are missing; then the first `sequence` is not 1.

    Args:
        connection: Where Kafka is.
        key: The full key, as `orderid::abc123`.
        workflow: The stored name that the run must have, if any.
        run: Which run; without, the one that began last.

    Raises:
        RunNotFoundError: The topic has no event of such a run.
        BrokerUnreachableError: No broker answers.
        TopicMismatchError: There is no such topic.
        SettingsError: librdkafka refuses an option of the connection.
    """
    found = HistorySearch(key, workflow=workflow, run=run)
    consumer = open_consumer(connection, isolation_level="read_committed", enable_partition_eof=True)
    with closing(consumer):
        topic = Topics(connection.namespace).history
        partition = partition_for(key.encode(), partitions_of(consumer, topic, connection=connection))
        place = TopicPartition(topic, partition, OFFSET_BEGINNING)
        try:
            for message in records_to_end(consumer, [place], connection=connection):
                if message.key() == found.key_bytes:
                    found.see(message.value() or b"")
        except KafkaException as failure:
            raise translated(failure, connection, right=f"Read on topic {topic}") from failure
    return found.result()


class HistorySearch:
    """Picks one run out of the records of a partition; only that one is kept.

    Args:
        key: The full key.
        workflow: The stored name that the run must have, if any.
        run: Which run; without, the one that began last.
    """

    def __init__(self, key: str, *, workflow: str | None, run: str | None) -> None:
        self.key_bytes: Final = key.encode()
        self._key = key
        self._workflow = workflow
        self._run = run
        self._found: dict[int, HistoryRecord] = {}
        self._newest: str | None = None
        self._others: dict[str, None] = {}

    def see(self, value: bytes) -> None:
        """Takes the next record of the key."""
        try:
            record = HistoryRecord.from_bytes(value)
        except RecordError:
            return  # not the engine's: somebody else's mistake must not hide a run
        if self._workflow not in {None, record.workflow}:
            return
        if record.run == self._wanted(record):
            self._found[record.sequence] = record
        elif record.run not in self._others:
            self._others[record.run] = None
            if len(self._others) > _MOST_RUNS_TOLD:
                del self._others[next(iter(self._others))]

    def found(self) -> tuple[HistoryRecord, ...]:
        """The run's records so far."""
        return tuple(self._found[sequence] for sequence in sorted(self._found))

    def result(self) -> tuple[HistoryRecord, ...]:
        """The run's records.

        Raises:
            RunNotFoundError: There are none.
        """
        if self._found:
            return self.found()
        of = "" if self._workflow is None else f" of {self._workflow}"
        if self._run is None:
            raise RunNotFoundError(
                f"{self._key} has no run{of}, or it ended so long ago that its history is gone; is the id right?"
            )
        known = f"the last ones are {', '.join(self._others)}" if self._others else "nor any other"
        raise RunNotFoundError(f"{self._key} has no run '{self._run}'{of}; {known}")

    def _wanted(self, record: HistoryRecord) -> str:
        """The run to keep. Of a key's runs, several may live; the one whose `started` comes last is the newest."""
        if self._run is not None:
            return self._run
        if self._newest is None or (record.type == "started" and record.run != self._newest):
            self._newest = record.run
            self._found.clear()
        return self._newest
