"""The client's producer: sends commands, repeats those without an answer, and gives up at their deadline."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from hephaestus_stream.client.broker import (
    PATIENCE_SECONDS,
    SLICE_SECONDS,
    librdkafka,
    translated,
)
from hephaestus_stream.client.pending import Pending, PendingCommands, settle
from hephaestus_stream.client.run import Published
from hephaestus_stream.errors import (
    AccessDeniedError,
    ClientBusyError,
    CommandError,
    HephaestusError,
    NoAnswerError,
)
from hephaestus_stream.kafka_client import DENIED, DeliveryReports, denied, kafka_error, serve, wrong_options
from hephaestus_stream.wire.connection import Connection

_log = logging.getLogger(__name__)

RECORD_LIMIT: Final = 1_000_000
# What the broker could not be told within this time is dropped; the caller has been told long before.
_MESSAGE_TIMEOUT_MILLISECONDS: Final = 60_000
_FLUSH_SECONDS: Final = 5.0

# As wide as the producer's own type, since a list of something narrower does not pass for it.
Headers = list[tuple[str, str | bytes | None]]


class Sender:
    """One idempotent producer and the thread that serves it.

    Args:
        connection: Cluster and namespace.
        pending: Where the commands under way are kept.
        topic: The topic `commands`.
        headers: What each command carries: where its answer goes.
    """

    def __init__(self, connection: Connection, pending: PendingCommands, *, topic: str, headers: Headers) -> None:
        self._pending = pending
        self._topic = topic
        self._headers = headers
        self._connection = connection
        self._denial: AccessDeniedError | None = None
        own = librdkafka(
            connection,
            enable_idempotence=True,
            # librdkafka's default hashes differently from Java, and the worker would have to forward the command.
            partitioner="murmur2_random",
            linger_ms=0,
            compression_type="lz4",
            # The producer's id is asked for again after this when the first try comes too early.
            retry_backoff_ms=20,
            message_timeout_ms=_MESSAGE_TIMEOUT_MILLISECONDS,
            message_max_bytes=RECORD_LIMIT,
            socket_nagle_disable=True,
        )
        self._settings = {**own, "error_cb": self._hear}
        self._producer = self._make_producer()
        self._reports = DeliveryReports[Pending]()
        self._renewal = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hephaestus-sender", daemon=True)

    def start(self) -> None:
        """Warms the producer up, so that the first command finds the cluster known and the producer's id given.

        Raises:
            BrokerUnreachableError: No broker answers.
        """
        try:
            self._producer.list_topics(self._topic, PATIENCE_SECONDS)
        except KafkaException as failure:
            raise translated(failure, self._connection, right=f"Write on topic {self._topic}") from failure
        self._thread.start()

    def send(self, pending: Pending) -> None:
        """Hands a command to the producer; how it fares, its futures tell.

        Raises:
            CommandError: The command is larger than a record may be.
            ClientBusyError: The producer's queue is full.
        """
        self._pending.add(pending)
        try:
            self._produce(pending)
        except HephaestusError:
            self._pending.take(pending)
            raise

    def close(self) -> None:
        """Sends what is left, and stops."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        serve(self._producer.flush, _FLUSH_SECONDS, hear=self._hear)
        self._settle_delivered()
        for pending in self._pending.take_all():
            pending.fail(_unanswered(pending, "the client was closed before an answer came"))

    def _make_producer(self) -> Producer:
        with wrong_options():
            return Producer(self._settings)

    def _produce(self, pending: Pending) -> None:
        headers: Headers = [*(self._headers if pending.reply is not None else ()), *pending.headers]
        producer = self._producer
        try:
            producer.produce(
                self._topic,
                pending.value,
                pending.key,
                on_delivery=self._reports.of(pending),
                headers=headers or None,
            )
        except BufferError:
            raise ClientBusyError("the producer's queue is full: await some answers before sending more") from None
        except KafkaException as failure:
            error = kafka_error(failure)
            if self._denial is not None:
                raise self._denial from failure
            if error.code() != KafkaError._FATAL:  # noqa: SLF001 - librdkafka's own errors are spelled so
                raise _refused(pending, error) from failure
            self._renew(producer)
            self._produce(pending)

    def _renew(self, broken: Producer) -> None:
        """Replaces a producer that librdkafka has given up, once, whichever thread notices first."""
        with self._renewal:
            if self._producer is broken:
                _log.warning("the client's producer has failed for good and is replaced")
                self._producer = self._make_producer()

    def _hear(self, error: KafkaError) -> None:
        """A user who may write to no topic at all gets no producer's id, which ends the producer for good.

        Whatever else ends it the next `produce` finds out, and `_renew` replaces it.
        """
        if error.code() in DENIED:
            self._denial = denied(self._connection, error, right=f"Write on topic {self._topic}")

    def _serve(self) -> None:
        """Serves delivery reports, repetitions and deadlines until the client closes."""
        while not self._stop.is_set():
            serve(self._producer.poll, SLICE_SECONDS, hear=self._hear)
            self._settle_delivered()
            if self._denial is not None:
                for pending in self._pending.take_all():
                    pending.fail(self._denial)
            late, repeated = self._pending.overdue(time.monotonic())
            for pending in late:
                pending.fail(_unanswered(pending, _why(pending)))
            for pending in repeated:
                self._repeat(pending)

    def _repeat(self, pending: Pending) -> None:
        _log.debug("no answer to command %s of %s yet: it is sent again", pending.id, pending.key)
        try:
            self._produce(pending)
        except HephaestusError as error:
            _log.debug("command %s could not be sent again, and is tried later: %s", pending.id, error)

    def _settle_delivered(self) -> None:
        for pending, error, message in self._reports.taken():
            self._delivered(pending, error, message)

    def _delivered(self, pending: Pending, error: KafkaError | None, message: Message) -> None:
        if error is None:
            pending.is_delivered = True
            if pending.published is not None and self._pending.take(pending):
                settle(pending.published, _published(message))
        elif not pending.is_delivered and self._pending.take(pending):
            # Of a repetition only the log would hear: the command itself has arrived.
            if error.code() in DENIED:
                pending.fail(denied(self._connection, error, right=f"Write on topic {self._topic}"))
            else:
                # A denial that has ended the producer ended all that it had, which says less of why.
                pending.fail(self._denial or _undelivered(pending, error))


def _published(message: Message) -> Published:
    kind, milliseconds = message.timestamp()
    at = datetime.fromtimestamp(milliseconds / 1_000, UTC) if kind else None
    return Published(message.partition() or 0, message.offset() or 0, at)


def _refused(pending: Pending, error: KafkaError) -> CommandError:
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return CommandError(
            f"the command has {len(pending.value):,} bytes, a record at most {RECORD_LIMIT:,}: keep large documents "
            "elsewhere and send where they are",
            reason="too_large",
            id=pending.id,
            key=pending.key.decode(),
        )
    return CommandError(
        f"the command cannot be sent: {error.str()}", reason="unsent", id=pending.id, key=pending.key.decode()
    )


def _undelivered(pending: Pending, error: KafkaError) -> Exception:
    maybe = {KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._FATAL}  # noqa: SLF001 - as above
    if error.retriable() or error.fatal() or error.code() in maybe:
        return _unanswered(pending, f"the broker did not confirm the command ({error.str()})")
    return _refused(pending, error)


def _why(pending: Pending) -> str:
    if pending.is_delivered:
        return "the broker has the command, but no worker has answered: is one running for this namespace?"
    return "the broker has not confirmed the command: is it running?"


def _unanswered(pending: Pending, why: str) -> NoAnswerError:
    return NoAnswerError(
        f"no answer to command {pending.id} for {pending.key.decode()}: {why} The command may still be applied",
        command_id=pending.id,
    )
