"""The client's ear: reads one partition of `replies` and hands each answer to whom it is for."""

from __future__ import annotations

import logging
import secrets
import threading

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from hephaestus_stream.client.broker import SLICE_SECONDS, end_of, read
from hephaestus_stream.client.pending import Answer, PendingCommands, settle
from hephaestus_stream.errors import AccessDeniedError, RecordError
from hephaestus_stream.kafka_client import denied
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import Reply

_log = logging.getLogger(__name__)


class ReplyReader:
    """Reads from the end of one partition, chosen by lot, so that many clients spread over all of them.

    Args:
        connection: Cluster and namespace.
        consumer: Belongs to the reader from now on.
        topic: The topic `replies`.
        partition: The partition that answers are asked into.
        pending: Where the commands under way are kept.

    Attributes:
        denial: Why no answer can be read; None while they can.
    """

    def __init__(
        self,
        connection: Connection,
        consumer: Consumer,
        pending: PendingCommands,
        *,
        topic: str,
        partition: int,
    ) -> None:
        self._consumer = consumer
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._pending = pending
        self.denial: AccessDeniedError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hephaestus-replies", daemon=True)

    def start(self) -> None:
        """Fixes where reading begins, before any command can be answered.

        Raises:
            BrokerUnreachableError: No broker answers.
        """
        place = TopicPartition(self._topic, self._partition)
        end = end_of(self._consumer, place, connection=self._connection)
        # A number, not "the end": that would be looked up later, perhaps behind the first answer.
        self._consumer.assign([TopicPartition(self._topic, self._partition, end)])
        self._thread.start()

    def stop(self) -> None:
        """Lets the thread end soon."""
        self._stop.set()

    def close(self) -> None:
        """Stops reading."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._receive(read(self._consumer, SLICE_SECONDS))

    def _receive(self, messages: list[Message]) -> None:
        values: list[tuple[str, bytes]] = []
        for message in messages:
            error, key, value = message.error(), message.key(), message.value()
            if error is not None:
                self._interrupted(error)
            elif key is not None and value is not None:
                values.append((key.decode(errors="replace"), value))
        # By the record's key alone: the answers to other clients' commands are not even read.
        awaited = self._pending.awaited(command_id for command_id, _ in values)
        answers = [_answer(command_id, value) for command_id, value in values if command_id in awaited]
        for pending, content in self._pending.answered(answers):
            if pending.reply is not None:
                settle(pending.reply, content)

    def _interrupted(self, error: KafkaError) -> None:
        _log.debug("reading the answers is interrupted: %s", error.str())
        # Of the group, which nobody joins, librdkafka asks by itself.
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            # It is told once, perhaps before anything is sent.
            self.denial = denied(self._connection, error, right=f"Read on topic {self._topic}")
            for pending in self._pending.take_all():
                pending.fail(self.denial)


def _answer(command_id: str, value: bytes) -> Answer[Reply | RecordError]:
    try:
        reply = Reply.from_bytes(value)
    except RecordError as error:
        return Answer(command_id, None, error)
    return Answer(command_id, None if reply.key is None else reply.key.encode(), reply)


def any_partition(partitions: int) -> int:
    """One of them, by lot."""
    return secrets.randbelow(partitions)
