"""What became of a replayed log, as the engine published it: the runs that ended, and the dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from hephaestus_stream.client.broker import (
    PATIENCE_SECONDS,
    SLICE_SECONDS,
    open_consumer,
    partitions_of,
    read,
    translated,
)
from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.errors import BrokerUnreachableError, CommandError, RecordError
from hephaestus_stream.eventlog.answers import Answers
from hephaestus_stream.wire.command import decode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import CompletionRecord
from hephaestus_stream.wire.topics import Topics

# An answer is stamped by a worker's clock, a record perhaps by the broker's: a worker further off does not work.
_CLOCKS_DIFFER_BY: Final = timedelta(minutes=1)
_NOTHING_SINCE: Final = -1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the runs and of the commands.

    Attributes:
        ends: How the runs that have ended did so, by their ids.
        dead_letters: Commands of the log that the engine put aside.
    """

    ends: Mapping[str, EndStatus]
    dead_letters: int


def read_outcome(connection: Connection, answers: Answers) -> Outcome:
    """Reads, up to their present ends, what the engine published since the earliest answer; blocks.

    From the earliest answer, not from the beginning of this replay: a repeated replay is answered with the first
    one's answers, and so it finds the first one's outcome.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    if answers.first_at is None:
        return Outcome({}, 0)
    topics, since = Topics(connection.namespace), answers.first_at - _CLOCKS_DIFFER_BY
    ends: dict[str, EndStatus] = {}
    for value in _values(connection, topics.completions, since):
        completion = _completion(value)
        if completion is not None and completion.run in answers.runs:
            # A run that was retried after its failure has several; the last one counts.
            ends[completion.run] = completion.status
    letters = _values(connection, topics.dead_letters, since)
    return Outcome(ends, sum(_command_id(letter) in answers.commands for letter in letters))


def _completion(value: bytes) -> CompletionRecord | None:
    """A completion; None for what somebody else wrote there, which is no reason to fail."""
    try:
        return CompletionRecord.from_bytes(value)
    except RecordError:
        return None


def _command_id(letter: bytes) -> str | None:
    """The id of the command that a dead letter is, where it can be read."""
    try:
        return decode_command(letter).id
    except CommandError as error:
        return error.id


def _values(connection: Connection, topic: str, since: datetime) -> Iterator[bytes]:
    """The values of a topic's committed records from a time on, to the end that the topic has now."""
    begin, end = _range(connection, topic, since)
    with closing(open_consumer(connection, isolation_level="read_committed", enable_partition_eof=True)) as consumer:
        consumer.assign([TopicPartition(topic, partition, begin[partition]) for partition in end])
        patience = time.monotonic() + PATIENCE_SECONDS
        while end:
            if time.monotonic() > patience:
                raise BrokerUnreachableError(f"{topic} cannot be read to its end at {connection.bootstrap}; try again")
            for message in read(consumer, SLICE_SECONDS):
                value = message.value()
                if message.error() is None and value is not None:
                    patience = time.monotonic() + PATIENCE_SECONDS
                    yield value
                _note_progress(end, message)


def _note_progress(end: dict[int, int], message: Message) -> None:
    """Drops a partition that has been read to its end."""
    partition, offset, error = message.partition(), message.offset(), message.error()
    if partition is None or offset is None:
        return
    # The last record is often a commit marker, which is never delivered: then the event of the end says the offset.
    reached = offset + 1 if error is None else offset
    if reached >= end.get(partition, 0):
        end.pop(partition, None)


def _range(connection: Connection, topic: str, since: datetime) -> tuple[dict[int, int], dict[int, int]]:
    """Where to begin and to end in each partition that has anything to read."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    # The end of everything, not of what is committed: a commit that was answered may yet lack its marker.
    with closing(open_consumer(connection, isolation_level="read_uncommitted")) as consumer:
        partitions = partitions_of(consumer, topic, connection=connection)
        places = [TopicPartition(topic, each, int(since.timestamp() * 1000)) for each in range(partitions)]
        while True:
            try:
                return _offsets(consumer, places)
            except KafkaException as failure:
                # A partition whose leader changes refuses for a moment, as it does right after it was made.
                if time.monotonic() > give_up_at:
                    raise translated(failure, connection, right=f"Read on topic {topic}") from failure
                time.sleep(SLICE_SECONDS)


def _offsets(consumer: Consumer, places: list[TopicPartition]) -> tuple[dict[int, int], dict[int, int]]:
    found = consumer.offsets_for_times(places, PATIENCE_SECONDS)
    begin = {each.partition: each.offset for each in found if each.offset > _NOTHING_SINCE}
    end: dict[int, int] = {}
    for place in places:
        if place.partition in begin:
            _, high = consumer.get_watermark_offsets(TopicPartition(place.topic, place.partition), PATIENCE_SECONDS)
            if high > begin[place.partition]:
                end[place.partition] = high
    return begin, end
