"""Reads the dead letters of a namespace: those that a selection fits, or one by its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from hephaestus_stream.client.broker import PATIENCE_SECONDS, end_of, open_consumer, partitions_of, translated
from hephaestus_stream.client.letter import FOREIGN, Letter
from hephaestus_stream.client.whole_topic import records_to_end
from hephaestus_stream.errors import DeadLetterNotFoundError, RecordError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.headers import Headers
from hephaestus_stream.wire.topics import Topics

_PROGRESS_EVERY: Final = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; a condition that is left out fits all.

    Attributes:
        reasons: Put aside for any of these.
        key: The business key.
        since: Put aside then or later.
    """

    reasons: Sequence[str] = ()
    key: str | None = None
    since: datetime | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        return (
            (not self.reasons or letter.why.reason in self.reasons)
            and self.key in {None, letter.business_key}
            and (self.since is None or letter.at >= self.since)
        )


def _in_silence(_read: int) -> None:
    """Nobody waits."""


def read_dead_letters(
    connection: Connection, selection: Selection, *, on_progress: Callable[[int], None] = _in_silence
) -> Iterator[Letter]:
    """The letters that a selection fits, those of a partition in the order in which they were put aside.

    Args:
        connection: Where Kafka is.
        selection: Which.
        on_progress: Told how many letters were read, every thousand.

    Raises:
        BrokerUnreachableError: No broker answers.
        TopicMismatchError: There is no such topic.
        SettingsError: librdkafka refuses an option of the connection.
    """
    with closing(_consumer(connection)) as consumer:
        try:
            places = _places(consumer, connection, since=selection.since)
            for number, message in enumerate(records_to_end(consumer, places, connection=connection), start=1):
                letter = _letter(message)
                if selection.fits(letter):
                    yield letter
                if number % _PROGRESS_EVERY == 0:
                    on_progress(number)
        except KafkaException as failure:
            raise translated(failure, connection, right=_right(connection)) from failure


def read_dead_letter(connection: Connection, partition: int, offset: int) -> Letter:
    """The letter at a place.

    Raises:
        DeadLetterNotFoundError: There is none, or it is kept no longer.
        BrokerUnreachableError: No broker answers.
        TopicMismatchError: There is no such topic.
        SettingsError: librdkafka refuses an option of the connection.
    """
    topic = Topics(connection.namespace).dead_letters
    with closing(_consumer(connection)) as consumer:
        partitions = partitions_of(consumer, topic, connection=connection)
        if not 0 <= partition < partitions:
            raise DeadLetterNotFoundError(f"{topic} has the partitions 0 to {partitions - 1}, and no {partition}")
        place = TopicPartition(topic, partition, offset)
        try:
            if 0 <= offset < end_of(consumer, place, connection=connection):
                for message in records_to_end(consumer, [place], connection=connection):
                    if message.offset() == offset:
                        return _letter(message)
                    break  # the next one that is kept
        except KafkaException as failure:
            raise translated(failure, connection, right=_right(connection)) from failure
    raise DeadLetterNotFoundError(
        f"there is no dead letter {partition}:{offset}, or it is kept no longer: `hephaestus dlq list` shows those "
        "that are"
    )


def _right(connection: Connection) -> str:
    return f"Read on topic {Topics(connection.namespace).dead_letters}"


def _consumer(connection: Connection) -> Consumer:
    return open_consumer(connection, isolation_level="read_committed", enable_partition_eof=True)


def _places(consumer: Consumer, connection: Connection, *, since: datetime | None) -> list[TopicPartition]:
    """Where reading begins in each partition: no letter is older in its record than it says."""
    topic = Topics(connection.namespace).dead_letters
    numbers = range(partitions_of(consumer, topic, connection=connection))
    if since is None:
        return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers]
    milliseconds = int(since.timestamp() * 1_000)
    questions = [TopicPartition(topic, number, max(0, milliseconds)) for number in numbers]
    found = consumer.offsets_for_times(questions, PATIENCE_SECONDS)
    # Where nothing is that late, the answer is a negative number.
    return [place for place in found if place.offset >= 0]


def _letter(message: Message) -> Letter:
    # A consumer's headers are always a list of bytes; the type is that of a producer's.
    headers = cast("Headers | None", message.headers())
    try:
        why = DeadLetter.from_headers(headers)
    except RecordError as error:
        at = datetime.fromtimestamp(message.timestamp()[1] / 1_000, UTC)
        why = DeadLetter(
            FOREIGN, str(error), message.topic() or "", message.partition() or 0, message.offset() or 0, at
        )
    return Letter(message.partition() or 0, message.offset() or 0, message.key(), message.value(), why)
