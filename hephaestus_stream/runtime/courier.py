"""Replies and forwarded commands: what is sent outside of any transaction."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from hephaestus_stream.cycle.batch import Forward, Reply
from hephaestus_stream.kafka_client import LIBRDKAFKA_LOG, DeliveryReports, is_refusal, serve
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

_logger = logging.getLogger(__name__)

QUEUE_KILOBYTES: Final = 64 * 1024
"""Of answers that no broker takes; further ones are dropped, as those are that wait for `_TIMEOUT_MILLISECONDS`."""

_POLL_SECONDS: Final = 0.1
_FLUSH_SECONDS: Final = 2.0
_TIMEOUT_MILLISECONDS: Final = 10_000


class Courier:
    """Plain producers for all shards of a worker: one for replies, and an idempotent one for what is sent on.

    They stand beside the transactions, so that one frozen shard's open transaction does not hold up everybody's
    answers. A reply that is lost is asked for again by the same command id, and one that arrives twice is the same one:
    with idempotence at most five requests would be under way, and librdkafka waits for its turn with a sixth in a loop
    that takes a whole processor.

    Args:
        connection: Cluster and namespace.
        on_refusal: Told, in the courier's thread, when a broker does not let it in any more.
    """

    def __init__(self, connection: Connection, *, on_refusal: Callable[[], None]) -> None:
        topics = Topics(connection.namespace)
        self._on_refusal = on_refusal
        self._replies = topics.replies
        self._commands = topics.commands
        self._connection = connection
        self._producer = self._plain(acks=1)
        self._forwarder: Producer | None = None
        self._forwarded = DeliveryReports[asyncio.Future[None]]()
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="courier", daemon=True)
        self._poller.start()

    @property
    def unsent(self) -> int:
        """How many records no broker has taken yet."""
        return len(self._producer) + len(self._forwarder or ())

    def reply(self, replies: Sequence[Reply]) -> None:
        """Sends answers; that some are lost is only logged."""
        lost: list[tuple[Reply, Exception]] = []
        for reply in replies:
            try:
                self._producer.produce(self._replies, reply.value, reply.id.encode(), reply.partition)
            except (BufferError, KafkaException) as error:
                lost.append((reply, error))
        if lost:
            (first, reason), *_ = lost
            _logger.warning("%d answers are dropped, the first of them to %s: %s", len(lost), first.id, reason)

    async def forward(self, forwards: Sequence[Forward]) -> None:
        """Sends commands on into the partitions that they belong to, and waits until the broker has them.

        It tries for ever, since their records must not be passed before; what arrives twice has the same id.
        """
        waiting = list(forwards)
        loop, is_told = asyncio.get_running_loop(), False
        if waiting:
            _logger.info("%d commands were in a wrong partition and are forwarded", len(waiting))
        while waiting:
            ends = await asyncio.gather(*(self._send(each, loop) for each in waiting), return_exceptions=True)
            # From the first that failed on, so that a key's commands stay in their order.
            failed = [index for index, end in enumerate(ends) if end is not None]
            waiting = waiting[failed[0] :] if failed else []
            if waiting:
                if not is_told:
                    _logger.warning("%s; it is tried until a broker takes it", ends[failed[0]])
                    is_told = True
                await asyncio.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Sends what is on its way, for a bounded time."""
        self._stop.set()
        for producer in filter(None, (self._forwarder, self._producer)):
            serve(producer.flush, _FLUSH_SECONDS, hear=self._hear)
        self._tell_forwarded()
        self._poller.join(_FLUSH_SECONDS)

    def _send(self, forward: Forward, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        future: asyncio.Future[None] = loop.create_future()
        try:
            self._idempotent().produce(
                self._commands,
                forward.value,
                forward.key,
                forward.partition,
                on_delivery=self._forwarded.of(future),
                headers=[(name, value) for name, value in forward.headers],
            )
        except (BufferError, KafkaException) as error:
            future.set_exception(ConnectionError(f"a command could not be forwarded: {error}"))
        return future

    def _plain(self, **settings: int | bool) -> Producer:
        options = self._connection.librdkafka(
            linger_ms=0,
            compression_type="lz4",
            message_timeout_ms=_TIMEOUT_MILLISECONDS,
            queue_buffering_max_kbytes=QUEUE_KILOBYTES,
            **settings,
        )
        return Producer({**options, "error_cb": self._hear, "logger": LIBRDKAFKA_LOG})

    def _idempotent(self) -> Producer:
        """Commands are rarely found in a wrong partition: most workers never need it."""
        forwarder = self._forwarder
        if forwarder is None:
            forwarder = self._forwarder = self._plain(enable_idempotence=True)
            # A thread of its own: a cycle waits for what is forwarded, and would wait for the other's poll as well.
            poller = threading.Thread(target=self._poll_forwarder, args=(forwarder,), name="forwarder", daemon=True)
            poller.start()
        return forwarder

    def _hear(self, error: KafkaError) -> None:
        """Of an unreachable broker the shards tell. This client alone is always served, so it hears of a refusal."""
        if is_refusal(error):
            self._on_refusal()

    def _poll(self) -> None:
        while not self._stop.is_set():
            serve(self._producer.poll, _POLL_SECONDS, hear=self._hear)

    def _poll_forwarder(self, forwarder: Producer) -> None:
        """Lets the idempotent producer call back, and go once it has failed for good: the next command makes one."""
        fatal: list[KafkaError] = []
        while not (fatal or self._stop.is_set()):
            serve(forwarder.poll, _POLL_SECONDS, hear=fatal.append)
            self._tell_forwarded()
        if fatal:
            _logger.debug("commands are forwarded by a new producer, since the former has failed: %s", fatal[0].str())
            self._forwarder = None
            # Whoever waits for what it still has is told, and sends that again.
            forwarder.purge()
            serve(forwarder.flush, _FLUSH_SECONDS, hear=self._hear)
            self._tell_forwarded()

    def _tell_forwarded(self) -> None:
        for future, error, _ in self._forwarded.taken():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(_settle, future, error)


def _settle(future: asyncio.Future[None], error: KafkaError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(ConnectionError(f"a command could not be forwarded: {error.str()}"))
