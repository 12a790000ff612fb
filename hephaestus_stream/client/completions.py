"""Waits for the ends of runs: one background consumer of `completions` for all waits of a client."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import defaultdict
from functools import partial
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.client.broker import PATIENCE_SECONDS, open_consumer, partitions_of, read
from hephaestus_stream.client.pending import settle
from hephaestus_stream.client.scan import ALWAYS, CLOCKS_SECONDS, CompletionWait, Scan, Seen
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.errors import ClientClosedError, HephaestusError
from hephaestus_stream.kafka_client import denied, kafka_error
from hephaestus_stream.wire.connection import Connection

_log = logging.getLogger(__name__)

# A new wait is noticed after this at the latest.
_SLICE_SECONDS: Final = 0.02
# At the end of a log this is how long the broker holds a request back before it says so.
_FETCH_MILLISECONDS: Final = 100
# Without a wait for so long, reading stops until the next one.
_REST_AFTER_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5


class CompletionReader:
    """One thread and one consumer, started by the first wait.

    A completion that was written before the wait is found as well: reading begins at the start of the run that is
    waited for. What was seen is kept for the next wait, so a thousand waits read the topic once.
    """

    def __init__(self, connection: Connection, *, topic: str, cipher: Cipher = NO_KEYS) -> None:
        self._connection = connection
        self._topic = topic
        self._inbox: queue.SimpleQueue[CompletionWait | None] = queue.SimpleQueue()
        self._scans: defaultdict[int, Scan] = defaultdict(partial(Scan, cipher))
        self._reading: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def wait(self, wait: CompletionWait) -> None:
        """Adds a wait; its future gets the completion.

        Raises:
            ClientClosedError: The client is closed.
        """
        with self._lock:
            if self._is_closed:
                raise ClientClosedError("the client is closed: open another one to wait for runs")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="hephaestus-completions", daemon=True)
                self._thread.start()
            self._inbox.put(wait)

    def close(self) -> None:
        """Ends all waits and stops reading."""
        with self._lock:
            self._is_closed = True
            self._inbox.put(None)
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        """Reads until the client closes; errors end the waits that met them, never the thread."""
        try:
            consumer = open_consumer(
                self._connection,
                isolation_level="read_committed",
                fetch_wait_max_ms=_FETCH_MILLISECONDS,
                enable_partition_eof=True,
            )
        except HephaestusError as error:
            self._refuse_all(error)
            return
        try:
            self._read(consumer)
        finally:
            consumer.close()
            self._refuse_all(ClientClosedError("the client was closed while it waited for a run to end"))

    def _read(self, consumer: Consumer) -> None:
        rest_at = time.monotonic() + _REST_AFTER_SECONDS
        while True:
            if any(scan.is_awaited for scan in self._scans.values()):
                rest_at = time.monotonic() + _REST_AFTER_SECONDS
            rests = time.monotonic() >= rest_at
            if rests and self._reading:
                self._reading.clear()
                consumer.unassign()
            waits = self._arrived(block=rests)
            if waits is None:
                return
            if waits:
                self._accept(consumer, waits)
                rest_at = time.monotonic() + _REST_AFTER_SECONDS
            for message in read(consumer, _SLICE_SECONDS):
                self._see(message)

    def _arrived(self, *, block: bool) -> list[CompletionWait] | None:
        """All new waits at once, so that reading goes back once for all of them; None at the end."""
        waits: list[CompletionWait] = []
        try:
            while True:
                wait = self._inbox.get(block=block and not waits)
                if wait is None:
                    return None
                waits.append(wait)
        except queue.Empty:
            return waits

    def _accept(self, consumer: Consumer, waits: list[CompletionWait]) -> None:
        try:
            self._require_all(consumer, waits)
        except KafkaException as failure:
            _log.debug("waiting for runs is interrupted, and tried again: %s", kafka_error(failure).str())
            self._start_over(consumer, waits)
        except HephaestusError as error:
            for wait in waits:
                settle(wait.future, error)
        else:
            for wait in waits:
                self._scans[wait.partition].add(wait)

    def _require_all(self, consumer: Consumer, waits: list[CompletionWait]) -> None:
        """Lets everything be read that these waits need."""
        if not self._scans:
            partitions_of(consumer, self._topic, connection=self._connection)
        partitions = {wait.partition for wait in waits}
        changed = [
            self._require(consumer, each, since=min(wait.since for wait in waits if wait.partition == each))
            for each in sorted(partitions)
        ]
        if any(changed):
            self._reading |= partitions
            consumer.assign([self._place(each, self._scans[each].position) for each in sorted(self._reading)])

    def _require(self, consumer: Consumer, partition: int, *, since: float) -> bool:
        """Lets a partition be read from a moment on; whether the assignment has to change for it."""
        scan = self._scans[partition]
        covers = scan.since <= since
        if partition in self._reading and covers:
            return False
        place = self._place(partition)
        beginning, end = consumer.get_watermark_offsets(place, PATIENCE_SECONDS) or (0, 0)
        first = beginning if since == ALWAYS else self._offset_at(consumer, partition, since - CLOCKS_SECONDS, end=end)
        # After a long rest it is cheaper to leave out what nobody waits for.
        if covers and first <= scan.position:
            scan.go_on(end=end)
        else:
            scan.begin(first, since=since, end=end)
        return True

    def _offset_at(self, consumer: Consumer, partition: int, at: float, *, end: int) -> int:
        question = self._place(partition, int(at * 1_000))
        offset = consumer.offsets_for_times([question], PATIENCE_SECONDS)[0].offset
        # Where nothing is that late, the answer is a negative number.
        return offset if offset >= 0 else end

    def _start_over(self, consumer: Consumer, waits: list[CompletionWait]) -> None:
        """Forgets what was read, some of which may be missing now, and takes up all waits again in a while."""
        consumer.unassign()
        self._reading.clear()
        waits = [*waits, *(wait for scan in self._scans.values() for wait in scan.drop())]
        self._scans.clear()
        time.sleep(_PAUSE_SECONDS)
        for wait in waits:
            self._inbox.put(wait)

    def _see(self, message: Message) -> None:
        partition, error = message.partition(), message.error()
        if partition is None or partition not in self._reading:
            return
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own errors are spelled so
                self._scans[partition].reach_end()
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self._scans[partition].fail(denied(self._connection, error, right=f"Read on topic {self._topic}"))
            else:
                _log.debug("reading the completions is interrupted: %s", error.str())
            return
        key, value, offset = message.key(), message.value(), message.offset()
        if key is not None and value is not None and offset is not None:
            self._scans[partition].see(Seen(offset, key, value, message.timestamp()[1] / 1_000))

    def _refuse_all(self, error: Exception) -> None:
        with self._lock:
            self._is_closed = True
        for scan in self._scans.values():
            scan.fail(error)
        while not self._inbox.empty():
            wait = self._inbox.get()
            if wait is not None:
                settle(wait.future, error)

    def _place(self, partition: int, offset: int = -1) -> TopicPartition:
        return TopicPartition(self._topic, partition, offset)
