"""The end of a run, as a client reads it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar, cast

import msgspec
from pydantic import JsonValue, ValidationError
from pydantic_core import to_json

from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.envelope import Place, is_envelope
from hephaestus_stream.errors import MissingResultError, PayloadUnreadableError
from hephaestus_stream.wire.output import CompletionRecord

PayloadT = TypeVar("PayloadT")

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Completion:
    """How a run ended, and what its steps brought forth.

    Attributes:
        workflow: The workflow's stored name.
        version: The version that the run kept.
        key: The business key.
        run: The id of the run.
        status: `completed`, `failed` or `cancelled`.
        ended_at: The node that ended it.
        error: Why it failed, as JSON.
        results: The results of its nodes as JSON values; `result` reads one as its model. One that this client has no
            key for is `{"$encrypted": ...}`.
        started_at: When it began.
        at: When it ended.
        sequence: The number of its last event; a run that was retried after a failure has a higher one the next time.
    """

    workflow: str
    version: int
    key: str
    run: str
    status: EndStatus
    ended_at: str | None
    error: JsonValue
    results: Mapping[str, JsonValue]
    started_at: datetime
    at: datetime
    sequence: int

    @classmethod
    def of(cls, record: CompletionRecord, *, cipher: Cipher = NO_KEYS) -> Completion:
        """The completion in a record of the topic; results that cannot be decrypted stay as they are."""
        return cls(
            workflow=record.workflow,
            version=record.version,
            key=record.key,
            run=record.run,
            status=record.status,
            ended_at=record.ended_at,
            error=record.error,
            results={
                node: opened(value, Place("result", record.workflow, record.key, record.run, node), cipher)
                for node, value in record.results.items()
            },
            started_at=record.started_at,
            at=record.at,
            sequence=record.sequence,
        )

    def result(self, event: NodeEvent[PayloadT]) -> PayloadT:
        """What a node brought forth with this event, as the event's model: `result(OrderFlow.charge.charged)`.

        Raises:
            MissingResultError: The node has no result, or one that another event of it brought.
            PayloadUnreadableError: It is encrypted, and the client lacks the key.
        """
        return typed_result(self.results, event, key=self.key)


def typed_result(results: Mapping[str, JsonValue], event: NodeEvent[PayloadT], *, key: str) -> PayloadT:
    """The result of a node among those of a run; raises as `Completion.result` does."""
    node = event.node.node_name
    adapter = event.event.adapter
    if adapter is None:
        raise MissingResultError(f"{event.name} carries no payload, so it has no result to ask for")
    if node not in results:
        known = ", ".join(results) or "none"
        raise MissingResultError(f"{key} has no result of {node}; the nodes with one are: {known}")
    if is_envelope(results[node]):
        raise PayloadUnreadableError(
            f"the result of {node} in {key} is encrypted, and this client cannot decrypt it; give it the keys "
            "that the worker had: the setting encryption_keys_file, or keys="
        )
    try:
        # From JSON, since a strict model takes a time as text from there only.
        return adapter.validate_json(to_json(results[node]))
    except ValidationError as error:
        raise MissingResultError(
            f"the result of {node} in {key} is no payload of {event.name}; another event of it came, or its "
            f"model has changed: read it from `results` ({error.error_count()} fields differ)"
        ) from error


def opened(value: JsonValue, place: Place, cipher: Cipher) -> JsonValue:
    """A payload, decrypted where it is encrypted and the client has the key."""
    if not is_envelope(value):
        return value
    try:
        return cast("JsonValue", msgspec.json.decode(cipher.open(to_json(value), place)))
    except PayloadUnreadableError as error:
        if cipher.is_on:  # a client without keys may want to know no more than that a run has ended
            _logger.warning("%s", error)
        return value
