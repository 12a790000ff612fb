"""The records of a namespace's topics, as any consumer with `read_committed` sees them."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

Document = dict[str, Any]

_PATIENCE_SECONDS: Final = 20
# A batch is waited for until it is full, so this is what each reading takes at least.
_SLICE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """One record, as any consumer sees it."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: dict[str, bytes]

    @property
    def document(self) -> Document:
        document: Document = json.loads(self.value or b"null")
        return document


class Topics:
    """The committed records of a namespace; each call reads on from where the last one ended.

    Args:
        bootstrap: The cluster's address.
        namespace: The prefix of the topics.
        partitions: How many each topic has.
    """

    def __init__(self, bootstrap: str, namespace: str, *, partitions: int) -> None:
        self._settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap,
            "group.id": f"{namespace}.checker",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "auto.offset.reset": "error",
        }
        self._namespace = namespace
        self._partitions = partitions
        self._read: dict[str, list[Found]] = defaultdict(list)
        self._ends: dict[str, dict[int, int]] = {}

    def records(self, name: str) -> list[Found]:
        """All committed records of a topic, in the order of their partitions."""
        self.news(name)
        self._read[name].sort(key=lambda record: (record.partition, record.offset))
        return self._read[name]

    def news(self, name: str) -> list[Found]:
        """The committed records of a topic that no call has read before."""
        news = self._read_on(f"{self._namespace}.{name}", self._ends.setdefault(name, {}))
        self._read[name] += news
        return news

    def documents(self, name: str) -> list[Document]:
        """The records of a topic as JSON."""
        return [record.document for record in self.records(name)]

    def ends(self, name: str) -> dict[int, int]:
        """Up to which offset each partition of a topic has been read."""
        return dict(self._ends.get(name, {}))

    def _read_on(self, topic: str, ends: dict[int, int]) -> list[Found]:
        consumer = Consumer(self._settings)
        found: list[Found] = []
        open_partitions = set(range(self._partitions))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        try:
            starts = [TopicPartition(topic, number, ends.get(number, 0)) for number in sorted(open_partitions)]
            consumer.assign(starts)
            while open_partitions:
                assert time.monotonic() < deadline, f"{topic} does not end"
                for message in consumer.consume(10_000, _SLICE_SECONDS):
                    error, partition = message.error(), message.partition() or 0
                    if error is None:
                        found.append(_found(message))
                        # Also behind an end that was seen: others may have to be waited for.
                        ends[partition] = found[-1].offset + 1
                        deadline = time.monotonic() + _PATIENCE_SECONDS
                    elif error.code() == KafkaError._PARTITION_EOF:
                        # Behind the last record there are markers, so that the end tells more than its offset.
                        ends[partition] = max(ends.get(partition, 0), message.offset() or 0)
                        open_partitions.discard(partition)
                    elif not error.retriable():
                        raise AssertionError(f"{topic}: {error}")
        finally:
            consumer.close()
        return found


def _found(message: Message) -> Found:
    # The stubs leave open what a record without an error always has.
    headers = dict(cast("list[tuple[str, bytes]]", message.headers() or []))
    key, value = message.key(), message.value()
    return Found(message.partition() or 0, message.offset() or 0, key or b"", value, headers)
