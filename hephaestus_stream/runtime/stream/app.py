"""Faust as a feed of record chunks for the shards: the only file that overrides anything of Faust.

Faust keeps the group, the assignment, the conductor, the stream and the agent. It keeps no state and decides about no
offset: each partition starts where its shard says, one message is all that one fetch brought for a partition, and the
group's committed offsets are the shards' positions, for those who watch the lag.
"""

# ruff: noqa: ARG002, ASYNC109 - the names and signatures of overridden methods are Faust's
# Faust's annotations have holes, and aiokafka has none:
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from faust.app.base import BootStrategy
from faust.serializers.schemas import Schema
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, ConsumerMessage, Message, StreamT
from faust.types.transports import ConsumerT, TPorTopicSet, TransportT

from hephaestus_stream.errors import PositionLostError
from hephaestus_stream.runtime.stream import aiokafka_consumer, faust_settings, faust_signatures
from hephaestus_stream.runtime.stream.aiokafka_consumer import KafkaConsumer, Reader
from hephaestus_stream.runtime.stream.assignor import EvenAssignor
from hephaestus_stream.runtime.stream.authentication_log import keep_passwords_out_of_the_log
from hephaestus_stream.runtime.stream.faust_signatures import assert_names, assert_signatures
from hephaestus_stream.runtime.stream.feed import Chunk, Feed
from hephaestus_stream.runtime.stream.ownership import Shards
from hephaestus_stream.runtime.stream.reachability import check_reachable
from hephaestus_stream.wire.connection import Connection

# How long one poll waits for records. It only bounds how late a new set of partitions is noticed: records end the
# wait at once.
POLL_SECONDS = 0.2
# The same while a mailbox is full, since nothing wakes the poll when it has room again.
BUSY_POLL_SECONDS = 0.02
# Between two fetches that bring something: a record costs little and a fetch much, to the broker as well. Records that
# come one by one and further apart never wait.
FETCH_SPACING_SECONDS = 0.005
# How long the consumer may take to leave the group and to disconnect.
STOP_SECONDS = 3.0

keep_passwords_out_of_the_log()
assert_signatures([*faust_signatures.FAUST, *aiokafka_consumer.SIGNATURES])
assert_names(aiokafka_consumer.NAMES)


class _ChunkSchema(Schema[None, Chunk]):
    """Lets the chunk through as it is: its records are decoded by the shard."""

    def loads_key(self, app: AppT, message: Message, *, loads: object = None, serializer: object = None) -> None:
        """A chunk has no key of its own."""

    def loads_value(self, app: AppT, message: Message, *, loads: object = None, serializer: object = None) -> Chunk:
        """Return the chunk."""
        return cast(Chunk, message.value)


class _Boot(BootStrategy):
    """Starts the consumer's side only: outputs go through the shards' own producers."""

    enable_kafka_producer = False
    enable_web = False


class _Tables(TableManager):
    """Starts without the second that Faust waits for tables to be declared: there are none."""

    async def on_start(self) -> None:
        """Start the recovery service, which sends `on_rebalance_complete`."""
        await self._update_channels()
        await self.recovery.start()


class _RebalanceListener(driver.ConsumerRebalanceListener):
    """Keeps every new partition from being fetched until its shard is open."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause in the same turn of the loop in which aiokafka assigned them, before it can send a fetch."""
        held = set(assigned)
        cast(_ConsumerThread, self._thread).reader().hold(tp.partition for tp in held)
        await super().on_partitions_assigned(held)


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread of the consumer; every use of aiokafka happens in it."""

    _reader: Reader | None = None

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        app = cast(StreamApp, self.app)
        consumer = super()._create_worker_consumer(transport)
        self._reader = Reader(cast(KafkaConsumer, consumer), topic=app.commands_topic)
        return consumer

    async def on_thread_stop(self) -> None:
        """Stop whatever aiokafka does: without a broker it may raise or wait, and Faust waits a minute for it."""
        stopping = asyncio.ensure_future(super().on_thread_stop())
        await asyncio.wait({stopping}, timeout=STOP_SECONDS)
        clean = stopping.done() and not stopping.cancelled() and stopping.exception() is None
        if not clean and self._reader is not None:
            stopping.cancel()
            await self._reader.disconnect()

    def reader(self) -> Reader:
        self._ensure_consumer()
        return cast(Reader, self._reader)

    async def fetch(self, epoch: int, partitions: frozenset[int], *, timeout: float) -> list[Chunk]:
        return cast(list[Chunk], await self.call_thread(self.reader().fetch, epoch, partitions, timeout))

    async def start_at(self, epoch: int, positions: Mapping[int, int]) -> None:
        await self.call_thread(self.reader().start_at, epoch, positions)

    async def commit_positions(self, positions: Mapping[int, int]) -> bool:
        return cast(bool, await self.call_thread(self.reader().commit, positions))


class _Consumer(driver.Consumer):
    """Takes assignment, starting points and offsets from the feed instead of from acks and commits."""

    RebalanceListener: ClassVar[type[driver.ConsumerRebalanceListener]] = _RebalanceListener
    _next_fetch_at = 0.0

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def feed(self) -> Feed:
        return cast(StreamApp, self.app).feed

    @property
    def thread(self) -> _ConsumerThread:
        return cast(_ConsumerThread, self._thread)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Tell the feed first: `on_rebalance_complete` is sent by another task, maybe after the next revocation."""
        self.feed.announce(frozenset(tp.partition for tp in assigned), cast(StreamApp, self.app).standbys())
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Close the shards before the group may go on; also while the app stops, when Faust would not wait."""
        await self.wait_empty()
        await super().on_partitions_revoked(revoked)

    async def wait_empty(self) -> None:
        """Close the shards, where Faust would wait for acks that never come."""
        await self._commit_positions(await self.feed.revoke())

    async def perform_seek(self) -> None:
        """Start each partition at its shard's position; Faust awaits this after every `on_rebalance_complete`."""
        epoch, positions = self.feed.starting_points()
        await self.thread.start_at(epoch, positions)
        self.feed.start(epoch, frozenset(positions))

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message per partition and fetch, once all of the fetch before has reached its shard."""
        for chunk in await self._fetch():
            if self.feed.take(chunk):
                message = self._chunk_message(chunk)
                # Faust drops what is below the offset it read last. Only the epoch may decide that: after a rebalance
                # a stale note would drop live commands in silence.
                self._read_offset[message.tp] = message.offset
                yield message.tp, message

    async def commit(self, topics: TPorTopicSet | None = None, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002
        """Commit the shards' positions, which are advisory; called by Faust's timer."""
        return await self._commit_positions(self.feed.positions())

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust would report closed and full partitions as stuck, and it sees no acks."""

    async def _fetch(self) -> list[Chunk]:
        feed = self.feed
        await feed.everything_arrived()
        await asyncio.sleep(self._next_fetch_at - time.monotonic())
        if not self.flow_active:
            # Faust would drop what is read now, though the epoch is right.
            await self.wait(self.can_resume_flow.wait())
        epoch = feed.epoch
        try:
            partitions, all_open = feed.wanted()
            wait = POLL_SECONDS if all_open else BUSY_POLL_SECONDS
            chunks = await self.thread.fetch(epoch, partitions, timeout=wait)
        except PositionLostError as error:
            feed.close(epoch, error)
            return []
        except self.consumer_stopped_errors:
            raise
        except Exception as error:  # noqa: BLE001 - Faust would log it with a traceback and end the app some other way
            feed.fail(error)
            return []
        if chunks:
            self._next_fetch_at = time.monotonic() + FETCH_SPACING_SECONDS
        elif not partitions:
            await self.sleep(wait)
        return chunks

    def _chunk_message(self, chunk: Chunk) -> ConsumerMessage:
        tp = TP(cast(StreamApp, self.app).commands_topic, chunk.partition)
        offset = chunk.records[0].offset if chunk.records else chunk.up_to
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            offset,
            0.0,
            0,
            {},
            None,
            cast(bytes, chunk),  # Faust's message carries whatever its schema understands
            None,
            serialized_value_size=0,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _commit_positions(self, positions: Mapping[int, int]) -> bool:
        return bool(positions) and await self.thread.commit_positions(positions)


class _Transport(driver.Transport):
    Consumer: ClassVar[type[ConsumerT]] = _Consumer


class StreamApp(faust.App):
    """The Faust app of one worker; make it with `build_app` and let it live in `run`."""

    BootStrategy = _Boot
    connection: Connection
    commands_topic: str
    feed: Feed
    keeps_copies: bool

    def standbys(self) -> frozenset[int]:
        """The partitions of others that the assignor of the group's leader wants this worker to keep a copy of.

        It places them for the topics that are subscribed, without any table.
        """
        if not self.keeps_copies:
            return frozenset()
        return frozenset(tp.partition for tp in self.assignor.assigned_standbys() if tp.topic == self.commands_topic)

    def distribution(self) -> Mapping[str, Mapping[str, Sequence[int]]]:
        """The partitions by topic, by the URL of their owner, as the group's leader has told all of its members."""
        return cast(EvenAssignor, self.assignor).external_topics_metadata()

    def _new_transport(self) -> TransportT:
        return _Transport(self.conf.broker_consumer, self)

    async def _wait_for_table_recovery_completed(self) -> bool:
        """Do not wait: the start would last as long as the first replay, and could not be stopped in between."""
        return False

    def _on_rebalance_when_stopped(self) -> None:
        """Do nothing: Faust would close the client from the wrong loop, and stopping closes it anyway."""


def build_app(
    *,
    connection: Connection,
    topic: str,
    shards: Shards,
    data: Path,
    session_timeout: timedelta = timedelta(seconds=10),
    url: str = "http://localhost",
    standbys: int = 1,
) -> StreamApp:
    """Make the app that feeds the shards; call it on the event loop that runs it, at most one app on a loop.

    Args:
        connection: Where Kafka is. The group is the namespace and cannot be set apart: two groups would be two
            owners of the same partitions.
        topic: The full name of the commands topic, which has to exist.
        shards: The owners of the partitions.
        data: A folder for Faust's own, empty, folders.
        session_timeout: After how much silence the group gives a worker's partitions to others.
        url: How other workers reach this one; Faust's assignor tells it to all of them.
        standbys: How many workers keep a copy of each partition, placed by Faust's assignor.
    """
    data.mkdir(parents=True, exist_ok=True)
    settings = faust_settings.settings(connection, session_timeout=session_timeout)
    app = StreamApp(
        connection.namespace,
        **cast(dict[str, Any], settings),  # Faust's own parameters stand between its settings
        canonical_url=url,
        datadir=data,
        # Without any Faust takes another assignor, and a group whose members have different ones lets nobody join: a
        # fleet could not change the setting one worker after the other.
        table_standby_replicas=max(1, standbys),
        TableManager=_Tables,
        PartitionAssignor=EvenAssignor,
    )
    app.connection, app.commands_topic, app.feed = connection, topic, Feed(shards)
    app.keeps_copies = standbys > 0
    _connect(app)
    return app


def _connect(app: StreamApp) -> None:
    feed = app.feed

    async def open_shards(*_: object, **__: object) -> None:
        await feed.assign(keep_alive=keep_alive)

    async def keep_alive() -> None:
        await cast(_Consumer, app.consumer).thread.fetch(feed.epoch, frozenset(), timeout=0)

    async def deliver_chunks(stream: StreamT[Chunk]) -> None:
        async for chunk in stream:
            try:
                feed.deliver(chunk)
            except Exception as error:  # noqa: BLE001 - an exception that leaves an agent is logged and forgotten
                feed.fail(error)

    # Awaited before the consumer seeks and resumes, unlike `on_partitions_assigned`.
    app.on_rebalance_complete.connect(open_shards)
    channel = app.topic(app.commands_topic, schema=_ChunkSchema(), acks=False)
    app.agent(channel, name="shards")(deliver_chunks)


async def run(app: StreamApp, stop: asyncio.Event) -> None:
    """Run the app inside the present event loop until `stop` is set; then close the shards and leave the group.

    Raises:
        BrokerUnreachableError: No broker answers.
        Exception: Whatever a method of the shards raised, or ended Faust.
    """
    await check_reachable(app.connection)
    try:
        await app.start()
        await _first_of(stop.wait(), app.feed.failed.wait(), app.wait_until_stopped())
    finally:
        await app.stop()
    error = app.feed.failure or app.crash_reason
    if error is not None:
        raise error


async def _first_of(*events: Awaitable[object]) -> None:
    tasks = {asyncio.ensure_future(event) for event in events}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
