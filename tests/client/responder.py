"""An engine of a few lines: reads commands from a real Kafka and answers them, and ends runs when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from confluent_kafka import Consumer, Producer, TopicPartition

from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.command import Command, StartCommand, decode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.headers import last_header
from hephaestus_stream.wire.output_bytes import encode_completion, encode_reply
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.topics import Topics

PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Arrived:
    """A command as the responder found it."""

    command: Command
    partition: int
    offset: int
    reply_partition: int | None


@dataclass
class Responder:
    """Accepts every command, unless `judge` says otherwise.

    Attributes:
        judge: Says of a command why it is refused; `silent` leaves it without an answer.
        arrived: The commands in the order of their arrival.
    """

    connection: Connection
    judge: Callable[[Arrived], str | None] = lambda _: None
    arrived: list[Arrived] = field(default_factory=list[Arrived])
    stop: threading.Event = field(default_factory=threading.Event)
    is_reading: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.topics = Topics(self.connection.namespace)
        self.producer = Producer(self.connection.librdkafka(linger_ms=0, retry_backoff_ms=20))

    def end(
        self,
        run: str,
        *,
        key: str,
        sequence: int = 9,
        status: EndStatus = "completed",
        workflow: str = "OrderFlow",
        is_behind: timedelta = timedelta(),
    ) -> None:
        """Writes a completion, as a worker does whose clock may be behind."""
        now = datetime.now(UTC) - is_behind
        value = encode_completion(
            workflow=workflow,
            version=2,
            key=key,
            run=run,
            sequence=sequence,
            at=now,
            status=status,
            started_at=now,
            ended_at="done",
            results={"charge": b'{"reference": "p-1"}'},
        )
        partition = partition_for(key.encode(), PARTITIONS)
        self.producer.produce(self.topics.completions, value, key.encode(), partition)
        assert self.producer.flush(10) == 0

    def serve(self) -> None:
        consumer = Consumer(self.connection.librdkafka(group_id="responder", fetch_error_backoff_ms=10))
        consumer.assign([TopicPartition(self.topics.commands, each, 0) for each in range(PARTITIONS)])
        self.is_reading.set()
        while not self.stop.is_set():
            message = consumer.poll(0.05)
            if message is None or message.error() is not None:
                continue
            # A consumer's headers are always a list of bytes; the type is that of a producer's.
            headers = cast("list[tuple[str, bytes]]", message.headers() or [])
            wanted = last_header(headers, "reply_partition")
            arrived = Arrived(
                decode_command(message.value()),
                message.partition() or 0,
                message.offset() or 0,
                None if wanted is None else int(wanted),
            )
            self.arrived.append(arrived)
            self.answer(arrived)
        consumer.close()

    def answer(self, arrived: Arrived) -> None:
        reason = self.judge(arrived)
        if reason == "silent" or arrived.reply_partition is None:
            return
        command = arrived.command
        value = encode_reply(
            id=command.id,
            key=command.key,
            accepted=reason is None,
            effect="applied" if reason is None else None,
            reason=None if reason is None else "already_running",
            message=None if reason is None else f"{command.key} is {reason}",
            run=command.id if isinstance(command, StartCommand) else command.run or "run-1",
            partition=arrived.partition,
            position=arrived.offset,
            at=datetime.now(UTC),
        )
        self.producer.produce(self.topics.replies, value, command.id.encode(), arrived.reply_partition)
        self.producer.poll(0)


@contextmanager
def responding(connection: Connection) -> Generator[Responder]:
    """A responder on new topics."""
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    responder = Responder(connection)
    thread = threading.Thread(target=responder.serve)
    thread.start()
    try:
        yield responder
    finally:
        responder.stop.set()
        thread.join()
        responder.producer.flush(5)
