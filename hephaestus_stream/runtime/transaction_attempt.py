"""One attempt to write a batch, and what its delivery reports say.

A report costs more than the rest of a record's way through Python, so an attempt asks for as few as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Protocol

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, Message

from hephaestus_stream.runtime.clock import Observation, uptime
from hephaestus_stream.wire.record import OutputRecord

Report = Callable[[KafkaError | None, Message], None]


class Send(Protocol):
    """`Producer.produce` as it is called here."""

    def __call__(  # noqa: PLR0917 - keywords cost time for each record
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        callback: Report | None,
        on_delivery: None,
        timestamp: int,
        headers: list[tuple[str, bytes]] | None,
        /,
    ) -> None:
        """Queue one record; positional throughout."""
        ...


class Pace(Enum):
    """How much an attempt asks of the delivery reports: as little as possible, until something failed."""

    SWIFT = "only the last record of `state` reports"
    WATCHED = "each record reports"
    SINGLY = "each record is delivered before the next is sent, so that an error names one"


class Attempt:
    """What the delivery reports of one attempt said; a late report of a former attempt lands in that one."""

    def __init__(self, records: Sequence[OutputRecord], *, state_topic: str, pace: Pace) -> None:
        self.pace = pace
        self.state_offset: int | None = None
        self.appended: Observation | None = None
        self._began = uptime()
        self.failures: dict[int, KafkaError] = {}
        backwards = range(len(records) - 1, -1, -1)
        self.last_state = next((index for index in backwards if records[index].topic == state_topic), -1)

    def callback(self, index: int) -> Report | None:
        """The delivery callback of one record; none is much cheaper than any."""
        if self.pace is Pace.SWIFT and index != self.last_state:
            return None
        return partial(self._report, index)

    def _report(self, index: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failures[index] = error
        elif index == self.last_state:
            self.state_offset = message.offset()
            kind, milliseconds = message.timestamp()
            if kind == TIMESTAMP_LOG_APPEND_TIME:
                at = datetime.fromtimestamp(milliseconds / 1000, UTC)
                self.appended = Observation(at, sent=self._began, reported=uptime())
