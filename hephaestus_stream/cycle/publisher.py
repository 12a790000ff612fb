"""What the world is told: decisions as records of the output topics."""

from __future__ import annotations

import logging

from hephaestus_stream.core.decision import HistoryEvent, PublishResult
from hephaestus_stream.core.state import State
from hephaestus_stream.errors import EngineError
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.headers import trace_headers
from hephaestus_stream.wire.output_bytes import encode_completion, encode_history, encode_step_result
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics

_logger = logging.getLogger(__name__)


class Publisher:
    """Collects output records.

    Args:
        topics: The topics of the namespace.

    Attributes:
        records: What is collected.
        size: About how many bytes of values were collected; what was taken back counts, too.
    """

    def __init__(self, topics: Topics) -> None:
        self.records: list[OutputRecord] = []
        self.size = 0
        self._history = topics.history
        self._step_results = topics.step_results
        self._completions = topics.completions
        self._dead_letters = topics.dead_letters

    def history(self, state: State, event: HistoryEvent) -> bytes:
        """Publishes a history event; returns its JSON, which the shard keeps too."""
        value = encode_history(
            workflow=state.workflow,
            version=state.version,
            key=state.key,
            run=state.run,
            sequence=event.sequence,
            at=event.at,
            type=event.type,
            node=event.node,
            event=event.event,
            attempt=event.attempt,
            details=event.details,
        )
        self._add(self._history, state, value)
        return value

    def step_result(self, state: State, result: PublishResult) -> None:
        """Publishes what a step brought forth."""
        value = encode_step_result(
            workflow=state.workflow,
            version=state.version,
            key=state.key,
            run=state.run,
            sequence=result.sequence,
            at=state.updated_at,
            node=result.node,
            event=result.reported.event,
            attempt=result.attempt,
            started_at=result.started_at,
            result=result.reported.payload or b"null",
            metadata=result.reported.metadata or b"{}",
        )
        self._add(self._step_results, state, value)

    def completion(self, state: State, *, sequence: int) -> None:
        """Publishes the end of a run."""
        status = state.ending
        if status is None:
            raise EngineError(f"{state.key} is {state.status}, and yet its completion was to be published")
        value = encode_completion(
            workflow=state.workflow,
            version=state.version,
            key=state.key,
            run=state.run,
            sequence=sequence,
            at=state.updated_at,
            status=status,
            started_at=state.started_at,
            ended_at=state.ended_at,
            error=None if state.error is None else {"type": state.error.type, "message": state.error.message},
            results={
                name: node.reported.payload or b"null"
                for name, node in state.nodes.items()
                if node.reported is not None and node.status == "completed"
            },
        )
        self._add(self._completions, state, value)

    def dead_letter(self, key: bytes | None, value: bytes | None, letter: DeadLetter) -> None:
        """Publishes a record that could not be applied, byte for byte, with the reason in its headers."""
        _logger.warning("dead letter (%s) of %s[%d]: %s", letter.reason, letter.topic, letter.partition, letter.message)
        self.size += len(value or b"")
        self.records.append(OutputRecord(self._dead_letters, key, value, letter.to_headers()))

    def _add(self, topic: str, state: State, value: bytes) -> None:
        headers = None if state.trace is None else trace_headers(state.trace)
        self.size += len(value)
        self.records.append(OutputRecord(topic, state.key.encode(), value, headers))
