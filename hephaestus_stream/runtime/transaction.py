"""The transactional producer of one partition: a batch of records is committed as a whole or not at all.

Whoever opens a producer of the same partition fences the former one. The bytes of a batch are kept until they are
committed, so that an abort repeats them and nothing is computed twice.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, cast

from confluent_kafka import KafkaError, KafkaException, Producer

from hephaestus_stream.errors import (
    AccessDeniedError,
    CommitFailedError,
    FencedError,
    RecordRefusedError,
    StoppedError,
)
from hephaestus_stream.kafka_client import DENIED, denied, serve
from hephaestus_stream.runtime.broker import LIBRDKAFKA_LOG, SLICE, await_broker, kafka_error, require_running
from hephaestus_stream.runtime.clock import Observation
from hephaestus_stream.runtime.producer_errors import (
    BROKEN_OFF,
    CONFLICT,
    FENCED,
    HOPELESS,
    REFUSED,
    TOO_LARGE_FOR_TOPIC,
)
from hephaestus_stream.runtime.transaction_attempt import Attempt, Pace, Send
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics

log = logging.getLogger(__name__)

# A larger record is refused by `produce()` itself, which names it; the topics take twice as much.
RECORD_LIMIT: Final = 1_000_000
# Of each topic; above the producers' batch.size: the broker refuses whole batches, and with them the innocent.
MAX_MESSAGE_BYTES: Final = 2 * RECORD_LIMIT
# Of one cycle, beside the batch itself; with more the producer is waited for.
QUEUE_KILOBYTES: Final = 32 * 1024
TRANSACTION_TIMEOUT: Final = timedelta(seconds=60)
# By then the coordinator has ended the transaction by itself: what it decided only the next owner can find out.
COMMIT_DEADLINE: Final = 2 * TRANSACTION_TIMEOUT
LONGEST_REST: Final = timedelta(seconds=1)
# How long a stop waits for the answer to what would fence the next owner; a coordinator that is there gives it at once.
LAST_WORD: Final = timedelta(seconds=5)


class _AbortableError(Exception):
    """The transaction must be aborted; then the same batch may be tried again."""

    def __init__(self, error: KafkaError) -> None:
        self.error = error
        super().__init__(error.str())


class TransactionalProducer:
    """Commits batches of records into one partition of any topics; its methods block and belong into a thread.

    Args:
        connection: Cluster and namespace; the transactional id comes from the namespace and the partition alone.
        partition: The partition of every record.
        stop: Set by whoever closes the partition; every blocking call then ends with a `StoppedError` in about 0.3 s.
    """

    def __init__(self, connection: Connection, *, partition: int, stop: threading.Event) -> None:
        self._connection = connection
        self._partition = partition
        self._stop = stop
        self._state_topic = Topics(connection.namespace).state
        self._name = f"{connection.namespace}-{partition}"
        self._told: KafkaError | None = None
        self.appended: Observation | None = None
        """When a broker appended the last record of `state` of the last commit."""
        self._is_closed = False
        self._is_fencing = False
        settings = connection.librdkafka(
            transactional_id=self._name,
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT.total_seconds() * 1000),
            message_max_bytes=RECORD_LIMIT,
            batch_size=RECORD_LIMIT,
            queue_buffering_max_kbytes=QUEUE_KILOBYTES,
            # The commit sends at once what is left. Without it each record of a small batch is a request of its own.
            linger_ms=5,
            compression_type="lz4",
            # Back within a second of the broker's return.
            reconnect_backoff_max_ms=1000,
        )
        self._producer = Producer({**settings, "error_cb": self.hear, "logger": LIBRDKAFKA_LOG})
        # The stubs know headers as an invariant list of wider tuples only.
        self._send = cast(Send, self._producer.produce)

    def open(self) -> None:
        """Fence the former owner of the partition and end its open transaction.

        Raises:
            BrokerUnreachableError: No broker answers.
            CommitFailedError: The cluster does not let this worker be the owner.
            AccessDeniedError: The worker may not use the partition's transactional id.
            StoppedError: The partition is being closed; nothing is under way any more that would fence its next owner.
        """
        await_broker(self._producer, self._connection, stop=self._stop)
        try:
            self._sliced(self._fence, doing="opening the producer")
        except _AbortableError as problem:
            raise self._failed(problem.error, doing="opening the producer") from problem
        except StoppedError as stopped:
            self._finish_fencing()
            # Its frames know the producer, which has to end with `close`, and not when the collector comes.
            raise stopped.with_traceback(None) from None

    def commit(self, records: Sequence[OutputRecord]) -> int | None:
        """Write all records in one transaction; when it returns they are committed.

        Returns:
            The offset of the last record of the `state` topic, or None when the batch has none.

        Raises:
            FencedError: Another worker owns the partition; nothing of the batch was committed.
            RecordRefusedError: A record can never be written; the batch was aborted, the next commit works.
            CommitFailedError: The outcome may be unknown, or a topic's `max.message.bytes` was lowered; the worker must
                exit, the next owner reads what was decided.
            StoppedError: The partition is being closed; the outcome may be unknown.
        """
        pace = Pace.SWIFT
        for number in itertools.count(1):
            self.check()
            attempt = Attempt(records, state_topic=self._state_topic, pace=pace)
            try:
                self._write(records, attempt)
            except RecordRefusedError:
                self._abort()
                raise
            except _AbortableError as problem:
                self._abort()
                log.warning("%s: transaction aborted, repeating the same batch: %s", self._name, problem)
                pace = self._next_pace(records, attempt, problem.error)
                self._stop.wait(min(0.05 * 2 ** min(number, 10), LONGEST_REST.total_seconds()))
            else:
                self.appended = attempt.appended
                return attempt.state_offset
        raise AssertionError("itertools.count ended")  # pragma: no cover

    def check(self) -> None:
        """Hear what librdkafka has to say; cheap, for an idle shard too.

        Raises:
            FencedError: Another worker owns the partition.
            CommitFailedError: The producer failed for good.
            StoppedError: The partition is being closed.
        """
        require_running(self._stop, doing=f"committing to partition {self._partition}")
        self._serve(self._producer.poll)
        if self._told is not None:
            raise self._fatal(self._told, doing="waiting")

    def hear(self, error: KafkaError) -> None:
        """Take note of what librdkafka tells besides the calls, as its `error_cb` and in whichever call serves it."""
        if error.fatal() or error.code() in FENCED:
            self._told = error
        else:
            log.debug("%s: %s", self._name, error)

    def close(self) -> None:
        """Let the producer go; what is not committed is dropped, and its transaction ended by the next owner."""
        if self._is_closed:
            return
        self._is_closed = True
        self._producer.purge(blocking=False)
        # close() would first try to abort, for as long as no broker answers; the next owner's open() does it anyway.
        self._serve(self._producer.poll)
        # Its threads end here. `hear` makes a circle, and the collector may leave them until after many rebalances.
        del self._producer, self._send

    def _serve(self, call: Callable[[float], int], patience: timedelta = timedelta(0)) -> int:
        return serve(call, patience.total_seconds(), hear=self.hear)

    def _fence(self, seconds: float) -> None:
        self._is_fencing = True
        self._producer.init_transactions(seconds)
        self._is_fencing = False

    def _finish_fencing(self) -> None:
        """Waits for the answer to a fencing that was given up: librdkafka goes on with it in the background."""
        deadline = time.monotonic() + LAST_WORD.total_seconds()
        while self._is_fencing and time.monotonic() < deadline:
            try:
                self._fence(SLICE.total_seconds())
            except KafkaException as failure:
                self._is_fencing = kafka_error(failure).retriable()

    def _write(self, records: Sequence[OutputRecord], attempt: Attempt) -> None:
        doing = "beginning a transaction"
        self._sliced(lambda _slice: self._producer.begin_transaction(), doing=doing)
        index = 0
        while index < len(records):
            if attempt.pace is Pace.SWIFT:
                index = self._produce_swiftly(records, index, attempt)
            if index < len(records):
                self._produce(index, records[index], attempt)
                index += 1
            if attempt.pace is Pace.SINGLY:
                self._deliver(attempt)
        self._sliced(self._producer.commit_transaction, doing="committing", deadline=COMMIT_DEADLINE)

    def _produce_swiftly(self, records: Sequence[OutputRecord], first: int, attempt: Attempt) -> int:
        """Produce from `first` on, without a detour per record; returns the index of the first that was not taken."""
        send, partition = self._send, self._partition
        last_state, report = attempt.last_state, attempt.callback(attempt.last_state)
        index = first
        try:
            for index in range(first, len(records)):
                topic, key, value, headers = records[index]
                send(topic, value, key, partition, report if index == last_state else None, None, 0, headers)
        except (BufferError, KafkaException, TypeError, ValueError):
            # It is tried again with care, and its error judged there.
            return index
        return len(records)

    def _produce(self, index: int, record: OutputRecord, attempt: Attempt) -> None:
        topic, key, value, headers = record
        while True:
            try:
                self._send(topic, value, key, self._partition, attempt.callback(index), None, 0, headers)
            except BufferError:
                self.check()
                self._serve(self._producer.poll, SLICE)
            except KafkaException as failure:
                self._judge_local(index, kafka_error(failure), topic=topic)
            except (TypeError, ValueError) as failure:
                raise self._refused(index, str(failure), topic=topic) from failure
            else:
                return

    def _judge_local(self, index: int, error: KafkaError, *, topic: str) -> None:
        if error.fatal() or error.code() in FENCED:
            raise self._fatal(error, doing="producing")
        if error.txn_requires_abort() or error.code() in BROKEN_OFF:
            # The transaction failed meanwhile; its abort tells whether that was fatal.
            raise _AbortableError(error)
        if error.code() in HOPELESS:
            raise self._failed(error, doing=f"producing to {topic}")
        if not error.retriable():
            raise self._refused(index, error.str(), topic=topic)

    def _deliver(self, attempt: Attempt) -> None:
        while len(self._producer):
            self.check()
            self._serve(self._producer.flush, SLICE)
        for error in attempt.failures.values():
            raise _AbortableError(error)

    def _next_pace(self, records: Sequence[OutputRecord], attempt: Attempt, error: KafkaError) -> Pace:
        """How to repeat the batch after an abort: slower, until a permanent error names one record.

        Never is a record refused for a timeout or a sequence error.
        """
        hopeless = [failure for failure in (error, *attempt.failures.values()) if failure.code() in HOPELESS]
        if hopeless:
            raise self._failed(hopeless[0], doing="producing")
        refused = {index: failure for index, failure in attempt.failures.items() if failure.code() in REFUSED}
        if attempt.pace is Pace.SINGLY:
            for index, failure in refused.items():
                if failure.code() in TOO_LARGE_FOR_TOPIC:
                    raise self._too_large_for_topic(records[index], failure)
                raise self._refused(index, failure.str(), topic=records[index].topic)
        if attempt.pace is Pace.SINGLY or refused or error.code() in REFUSED:
            return Pace.SINGLY
        return Pace.WATCHED

    def _abort(self) -> None:
        try:
            self._sliced(self._producer.abort_transaction, doing="aborting")
        except _AbortableError as problem:
            raise self._failed(problem.error, doing="aborting") from problem
        # The purged records' reports belong to the attempt that is over.
        while self._serve(self._producer.poll):
            pass

    def _sliced(self, call: Callable[[float], None], *, doing: str, deadline: timedelta | None = None) -> None:
        """Repeat a call of the transaction API while its error is retriable, one slice of time each."""
        started = time.monotonic()
        while True:
            self.check()
            try:
                return call(SLICE.total_seconds())
            except KafkaException as failure:
                error = kafka_error(failure)
            if error.fatal() or error.code() in FENCED:
                raise self._fatal(error, doing=doing)
            if error.txn_requires_abort():
                raise _AbortableError(error)
            late = deadline is not None and time.monotonic() - started > deadline.total_seconds()
            if late or error.code() == CONFLICT or not error.retriable():
                raise self._failed(error, doing=doing)

    def _fatal(self, error: KafkaError, *, doing: str) -> FencedError | CommitFailedError | AccessDeniedError:
        # librdkafka forgets: the calls after this one may fail with something retriable.
        self._told = error
        if error.code() not in FENCED:
            return self._failed(error, doing=doing)
        return FencedError(
            f"{self._name}: another worker owns partition {self._partition} now, seen while {doing} ({error.str()}): "
            f"this worker must exit and join the group again"
        )

    def _failed(self, error: KafkaError, *, doing: str) -> CommitFailedError | AccessDeniedError:
        if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return denied(self._connection, error, right=f"Write on transactional-id {self._name}")
        if error.code() in DENIED:
            topics = Topics(self._connection.namespace)
            return denied(self._connection, error, right=f"Write on each of the topics {', '.join(topics)}")
        return CommitFailedError(
            f"{self._name}: {doing} failed ({error.name()}: {error.str()}): the worker must exit; its next start finds "
            f"out what was committed"
        )

    def _too_large_for_topic(self, record: OutputRecord, error: KafkaError) -> CommitFailedError:
        size = len(record.key or b"") + len(record.value or b"")
        return CommitFailedError(
            f"{self._name}: {record.topic} refuses a record of {size} bytes ({error.str()}): its `max.message.bytes` "
            f"must be {MAX_MESSAGE_BYTES} or more, and was lowered: kafka-configs --alter --topic {record.topic} "
            f"--add-config max.message.bytes={MAX_MESSAGE_BYTES}; the worker must exit, nothing is lost by it"
        )

    def _refused(self, index: int, reason: str, *, topic: str) -> RecordRefusedError:
        return RecordRefusedError(
            f"record {index} of the batch can never be written to {topic}[{self._partition}]: {reason}; drop the input "
            f"that it came from",
            index=index,
            reason=reason,
        )
