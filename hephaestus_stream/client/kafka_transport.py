"""Commands by Kafka: what the blocking and the async client have in common."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta

from hephaestus_stream.client.broker import open_consumer, partitions_of
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.completions import CompletionReader
from hephaestus_stream.client.letter import Letter
from hephaestus_stream.client.options import seconds_of
from hephaestus_stream.client.pending import Pending, PendingCommands
from hephaestus_stream.client.replies import ReplyReader, any_partition
from hephaestus_stream.client.run import Published, Receipt, Run
from hephaestus_stream.client.scan import ALWAYS, CompletionWait
from hephaestus_stream.client.sender import Headers, Sender
from hephaestus_stream.client.transport import DEFAULT_REPEAT_AFTER, DEFAULT_TIMEOUT, not_open, which_id
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.command import sealed
from hephaestus_stream.errors import HephaestusError
from hephaestus_stream.telemetry.sent import SentCommand
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.headers import REPLAY, REPLY_PARTITION
from hephaestus_stream.wire.key import full_key
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import AnyWorkflow, definition_of
from hephaestus_stream.wire.topics import Topics


@dataclass(frozen=True, slots=True)
class _Link:
    """What an open client holds."""

    pending: PendingCommands
    sender: Sender
    replies: ReplyReader
    completions: CompletionReader
    partitions: int


class KafkaTransport:
    """Threads around librdkafka's blocking calls; its futures can be awaited from any thread or event loop.

    Args:
        connection: Cluster and namespace.
        repeat_after: When a command without an answer is sent again; the next time after twice as long, and so on.
        cipher: Seals payloads, and opens results.
    """

    def __init__(
        self, connection: Connection, *, repeat_after: timedelta = DEFAULT_REPEAT_AFTER, cipher: Cipher = NO_KEYS
    ) -> None:
        self._connection = connection
        self._cipher = cipher
        self._topics = Topics(connection.namespace)
        self._repeat_after = repeat_after.total_seconds()
        self._lock = threading.Lock()
        self._link: _Link | None = None
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._link is not None

    def open(self) -> None:
        """Connects, unless it is connected; blocks for some milliseconds.

        Raises:
            BrokerUnreachableError: No broker answers within 8 s.
            TopicMismatchError: The topics are missing.
            ClientClosedError: It was closed before.
        """
        with self._lock:
            if self._is_closed:
                raise not_open(was_closed=True)
            if self._link is None:
                self._link = self._connect()

    def close(self) -> None:
        """Sends what is left; those who still wait see an error."""
        with self._lock:
            self._is_closed = True
            link, self._link = self._link, None
        if link is not None:
            link.replies.stop()  # both threads end at once, while the sender sends what is left
            link.sender.close()
            link.replies.close()
            link.completions.close()

    def submit(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Reply]:
        """Sends a command; the future gets the engine's answer, accepted or refused."""
        future: Future[Reply] = Future()
        pending = self._pending(command.id, command.key, encode_command(sealed(command, self._cipher)), timeout=timeout)
        pending.reply = future
        self._send(command, pending, future)
        return future

    def publish(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Published]:
        """Sends a command; the future ends as soon as the broker holds it."""
        future: Future[Published] = Future()
        pending = self._pending(command.id, command.key, encode_command(sealed(command, self._cipher)), timeout=timeout)
        pending.published = future
        self._send(command, pending, future)
        return future

    def replay(self, letter: Letter, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Reply]:
        """Sends the command of a dead letter again, byte for byte; the future gets the engine's answer.

        It has the id that it had, so it takes effect once, however often it is replayed.

        Raises:
            NotReplayableError: The letter holds no command that could be sent.
        """
        future: Future[Reply] = Future()
        id, key, value = letter.replayable()  # noqa: A001 - the wire's own word
        pending = self._pending(id, key, value, timeout=timeout)
        pending.reply = future
        pending.headers = [(REPLAY, letter.place.encode())]
        self._require_link().sender.send(pending)
        return future

    def completion(self, run: Run | Receipt | AnyWorkflow, id: str | None = None) -> Future[Completion]:  # noqa: A002 - the wire's own word
        """The end of a run, or of the latest ended run of a workflow's id."""
        wait = self._wait_for(run, id)
        self._require_link().completions.wait(wait)
        return wait.future

    def _send(self, command: Command, pending: Pending, future: Future[Reply] | Future[Published]) -> None:
        """Sends a command within its span, which ends with the future."""
        link = self._require_link()
        if pending.reply is not None and link.replies.denial is not None:
            raise link.replies.denial
        span = SentCommand(command, topic=self._topics.commands)
        pending.headers = span.headers
        try:
            link.sender.send(pending)
        except HephaestusError as error:
            span.failed(error)
            raise
        future.add_done_callback(span.answered)

    def _connect(self) -> _Link:
        """Opens everything in the order that counts: where answers are read from is fixed before anything is sent."""
        pending, connection, topics = PendingCommands(), self._connection, self._topics
        consumer = open_consumer(connection)
        try:
            partitions = partitions_of(consumer, topics.commands, connection=connection)
            partition = any_partition(partitions_of(consumer, topics.replies, connection=connection))
            headers: Headers = [(REPLY_PARTITION, str(partition).encode())]
            sender = Sender(connection, pending, topic=topics.commands, headers=headers)
        except BaseException:
            consumer.close()
            raise
        replies = ReplyReader(connection, consumer, pending, topic=topics.replies, partition=partition)
        try:
            replies.start()
            sender.start()
        except BaseException:
            replies.close()
            sender.close()
            raise
        completions = CompletionReader(connection, topic=topics.completions, cipher=self._cipher)
        return _Link(pending, sender, replies, completions, partitions)

    def _require_link(self) -> _Link:
        link = self._link
        if link is None:
            raise not_open(was_closed=self._is_closed)
        return link

    def _pending(self, id: str, key: str, value: bytes, *, timeout: timedelta) -> Pending:  # noqa: A002 - the wire's own word
        now = time.monotonic()
        return Pending(
            id=id,
            key=key.encode(),
            value=value,
            deadline=now + seconds_of(timeout),
            repeat_at=now + self._repeat_after,
            pause=2 * self._repeat_after,
        )

    def _wait_for(self, run: Run | Receipt | AnyWorkflow, id: str | None) -> CompletionWait:  # noqa: A002 - as above
        if isinstance(run, Run):
            since = ALWAYS if run.at is None else run.at.timestamp()
            return CompletionWait(run.key.encode(), run.workflow, run.run, run.partition, since)
        if isinstance(run, Receipt):
            since = ALWAYS if run.at is None else run.at.timestamp()
            return CompletionWait(run.key.encode(), run.workflow, run.run, run.partition, since, run.not_before)
        if id is None:
            raise which_id(run)
        definition = definition_of(run)
        key = full_key(definition.key, id).encode()
        partition = partition_for(key, self._require_link().partitions)
        return CompletionWait(key, definition.name, None, partition, ALWAYS)
