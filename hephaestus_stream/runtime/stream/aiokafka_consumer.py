"""The consumer of aiokafka as the stream uses it: read chunks, start at positions, commit. It knows nothing of Faust.

aiokafka has no types, so the little that is used of it is described here once, by protocols. Some of it is private:
what the public methods of the consumer do besides (waiting for errors, raising when paused) is Faust's to decide.
"""

# ruff: noqa: SLF001 - see above
# mypy: disable-error-code="import-untyped"
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import (
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import AccessDeniedError, PositionLostError
from hephaestus_stream.runtime.stream import fetched_records
from hephaestus_stream.runtime.stream.feed import Chunk

logger = logging.getLogger(__name__)

# The broker answers a fetch as soon as there is one record; this is for how long it may hold an empty one, and so how
# late a partition joins in that could not be read when the fetch was sent.
FETCH_MAX_WAIT_MILLISECONDS = 100
MAX_RECORDS = 4_000
COMMIT_SECONDS = 2.0

SIGNATURES: Sequence[tuple[Callable[..., object], str]] = [
    (AIOKafkaConsumer.seek, "(self, partition, offset)"),
    (AIOKafkaConsumer.pause, "(self, *partitions)"),
    (AIOKafkaConsumer.resume, "(self, *partitions)"),
    (AIOKafkaConsumer.commit, "(self, offsets=None)"),
    (FetchResult.__init__, "(self, tp, *, assignment, partition_records, backoff)"),
    (GroupCoordinator.check_errors, "(self)"),
    (Fetcher.fetched_records, "(self, partitions, timeout=0, max_records=None)"),
    (SubscriptionState.fetch_context, "(self)"),
    *fetched_records.SIGNATURES,
]

NAMES: Sequence[tuple[Callable[..., object], Sequence[str]]] = [
    (FetchResult.__init__, ["_backoff"]),
    (FetchResult.calculate_backoff, ["_backoff"]),
    (FetchError.__init__, ["_backoff"]),
    (Fetcher.__init__, ["_records", "_wait_consume_future"]),
    (Fetcher._fetch_requests_routine, ["_wait_consume_future"]),
    (AIOKafkaConsumer.__init__, ["_client", "_closed"]),
    *fetched_records.NAMES,
]


class KafkaRecord(Protocol):
    """What is read of an aiokafka record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class _PartitionState(Protocol):
    highwater: int | None
    lso: int | None

    @property
    def has_valid_position(self) -> bool: ...

    @property
    def position(self) -> int: ...


class _Assignment(Protocol):
    def state_value(self, tp: object) -> _PartitionState | None: ...


class _Subscription(Protocol):
    assignment: _Assignment | None


class _Subscriptions(Protocol):
    subscription: _Subscription | None

    def fetch_context(self) -> AbstractContextManager[None]: ...


class _Fetched(Protocol):
    _backoff: float


class _Fetcher(Protocol):
    _records: Mapping[object, _Fetched]
    _wait_consume_future: asyncio.Future[None] | None

    async def fetched_records(
        self,
        partitions: set[TopicPartition],
        timeout: float,  # noqa: ASYNC109 - aiokafka's
        max_records: int,
    ) -> Mapping[TopicPartition, Sequence[KafkaRecord]]: ...


class _Client(Protocol):
    async def close(self) -> None: ...


class _Coordinator(Protocol):
    def check_errors(self) -> None: ...


class KafkaConsumer(Protocol):
    """What is used of `AIOKafkaConsumer`, its private parts included."""

    _coordinator: _Coordinator
    _client: _Client
    _closed: bool
    _fetcher: _Fetcher
    _subscription: _Subscriptions
    _isolation_level: str
    _fetch_max_wait_ms: int

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that the group gave to this member."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read the partition from here on, and forget what was fetched of it."""
        ...

    def pause(self, *partitions: TopicPartition) -> None:
        """Fetch nothing of these."""
        ...

    def resume(self, *partitions: TopicPartition) -> None:
        """Fetch these again."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit offsets for the group, again and again while the error may pass."""
        ...


class Reader:
    """Reads the partitions of one topic; every method runs on the loop of the consumer's thread.

    A poll belongs to an epoch and takes records out of aiokafka only while this is the epoch of the last `start_at`.
    One that outlived its assignment would take the first records of the next, and drop them as stale.
    """

    def __init__(self, consumer: KafkaConsumer, *, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._epoch: int | None = None
        self._poll: asyncio.Future[Mapping[TopicPartition, Sequence[KafkaRecord]]] | None = None
        self._progress: dict[int, tuple[int, int]] = {}
        # Commands may be produced in transactions; and Faust fixes the wait at 1.5 s. Both are read at the start.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MILLISECONDS

    def hold(self, partitions: Iterable[int]) -> None:
        """Fetch nothing of these partitions until `start_at` names them, and end the poll that is on its way."""
        self._epoch = None
        if self._poll is not None:
            self._poll.cancel()
        self._consumer.pause(*self._topic_partitions(partitions))

    async def start_at(self, epoch: int, positions: Mapping[int, int]) -> None:
        """Seek to the positions and let the fetches begin; the other partitions stay held."""
        self._epoch = epoch
        self._progress.clear()
        assigned = self._consumer.assignment()
        for tp in self._topic_partitions(positions):
            # Not assigned any more: another rebalance has begun, and its assignment starts over.
            if tp in assigned:
                self._consumer.seek(tp, positions[tp.partition])
                self._consumer.resume(tp)

    async def fetch(self, epoch: int, partitions: frozenset[int], timeout: float) -> list[Chunk]:  # noqa: ASYNC109
        """Wait for records of these partitions, and return all that is there.

        Without partitions it only shows the group that this member lives.

        Raises:
            PositionLostError: The log of a partition does not have its position any more; it is fetched no longer.
            AccessDeniedError: This worker may not read the topic any more, or not be a member of the group.
        """
        if self._consumer._closed:
            raise ConsumerStoppedError
        try:
            # What the group's coordinator told; nobody else asks for it.
            self._consumer._coordinator.check_errors()
            with self._consumer._subscription.fetch_context():
                if not partitions or epoch != self._epoch:
                    return []
                found = await self._take(partitions, timeout)
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            kind = "topic" if isinstance(error, TopicAuthorizationFailedError) else "group"
            raise AccessDeniedError(
                f"this worker lacks the right Read on {kind} {self._names(error)} ({kind} authorization failed): "
                "docs/security.md has all rights that are needed, and the commands that give them"
            ) from error
        if epoch != self._epoch:
            return []
        chunks = (self._chunk(epoch, partition, found.get(partition, ())) for partition in partitions)
        return [chunk for chunk in chunks if chunk is not None]

    async def _take(self, partitions: frozenset[int], seconds: float) -> Mapping[int, Sequence[KafkaRecord]]:
        wanted = set(self._topic_partitions(partitions))
        self._let_go_on_without(wanted)
        poll = asyncio.ensure_future(self._consumer._fetcher.fetched_records(wanted, seconds, MAX_RECORDS))
        self._poll = poll
        try:
            await asyncio.wait({poll})
            batches = {} if poll.cancelled() else poll.result()
        except OffsetOutOfRangeError as error:
            ((tp, offset),) = error.args[0].items()
            self._consumer.pause(tp)
            raise PositionLostError(
                f"{self._topic}[{tp.partition}] does not have the offset {offset} any more, which is the next to read: "
                "its retention is too short, the topic was made anew, or the brokers lost records. It is told at each "
                "opening what was lost, and the way out",
                partition=tp.partition,
            ) from error
        finally:
            poll.cancel()
        return {tp.partition: records for tp, records in batches.items()}

    def _let_go_on_without(self, wanted: set[TopicPartition]) -> None:
        """Fetch the others though records of a partition lie here that is not wanted now, its mailbox being full.

        aiokafka waits for them to be taken before it asks their broker for more of anything, a tenth of a second long.
        """
        fetcher = self._consumer._fetcher
        held_up = [fetched for tp, fetched in fetcher._records.items() if tp not in wanted and fetched._backoff]
        for fetched in held_up:
            fetched._backoff = 0
        if held_up and fetcher._wait_consume_future is not None and not fetcher._wait_consume_future.done():
            fetcher._wait_consume_future.set_result(None)

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """Commit these offsets for the group; a failure only delays what a lag monitor shows."""
        assigned = self._consumer.assignment()
        offsets = {
            tp: OffsetAndMetadata(positions[tp.partition], "")
            for tp in self._topic_partitions(positions)
            if tp in assigned
        }
        if not offsets:
            return False
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), COMMIT_SECONDS)
        except (KafkaError, TimeoutError) as error:
            logger.info("the group's offsets of %s were not committed: %r", self._topic, error)
            return False
        return True

    @staticmethod
    def _names(error: KafkaError) -> str:
        names = error.args[0] if error.args else "?"
        return ", ".join(sorted(map(str, names))) if isinstance(names, set | frozenset | list | tuple) else str(names)

    async def disconnect(self) -> None:
        """Close the connections of a consumer that could not stop."""
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            await asyncio.wait_for(self._consumer._client.close(), COMMIT_SECONDS)

    def _chunk(self, epoch: int, partition: int, records: Sequence[KafkaRecord]) -> Chunk | None:
        progress = self._read_up_to(partition)
        if progress is None or (not records and self._progress.get(partition) == progress):
            return None
        self._progress[partition] = progress
        up_to, end = progress
        kept = tuple(
            CommandRecord(record.offset, record.timestamp, record.key, record.value, record.headers)
            for record in records
        )
        return Chunk(epoch, partition, kept, up_to, end)

    def _read_up_to(self, partition: int) -> tuple[int, int] | None:
        subscription = self._consumer._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        state = assignment.state_value(TopicPartition(self._topic, partition)) if assignment is not None else None
        if state is None or not state.has_valid_position or state.highwater is None:
            return None
        end = state.highwater if state.lso is None else state.lso
        # The end is from the last fetch, which may be older than the last seek.
        return state.position, max(end, state.position)

    def _topic_partitions(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]
