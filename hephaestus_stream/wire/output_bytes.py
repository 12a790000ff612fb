"""Writes the records of `wire.output` fast: it is the worker's hot path, once or more for every transition.

What users brought (details, results, metadata) may come as bytes that hold JSON already; those are embedded as they
are and not looked at again, so they must be sound JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeAlias, cast

import msgspec

from hephaestus_stream.core.answer import AnswerEffect, Reason
from hephaestus_stream.core.state import EndStatus

JsonObject: TypeAlias = Mapping[str, object] | bytes

_SCHEMA: Final = 1


class _History(msgspec.Struct, frozen=True):
    schema: int
    workflow: str
    version: int
    key: str
    run: str
    sequence: int
    at: str
    type: str
    node: str | None
    event: str | None
    attempt: int | None
    details: object


class _StepResult(msgspec.Struct, frozen=True):
    schema: int
    workflow: str
    version: int
    key: str
    run: str
    sequence: int
    at: str
    node: str
    event: str
    attempt: int
    result: msgspec.Raw
    metadata: object
    started_at: str


class _Completion(msgspec.Struct, frozen=True):
    schema: int
    workflow: str
    version: int
    key: str
    run: str
    sequence: int
    at: str
    status: str
    ended_at: str | None
    error: object
    results: object
    started_at: str


class _Reply(msgspec.Struct, frozen=True):
    schema: int
    id: str
    key: str | None
    accepted: bool
    effect: str | None
    reason: str | None
    message: str | None
    run: str | None
    partition: int
    position: int | None
    at: str
    # `true` or absent, as the contract has it
    duplicate: bool | msgspec.UnsetType


def encode_history(
    *,
    workflow: str,
    version: int,
    key: str,
    run: str,
    sequence: int,
    at: datetime,
    type: str,  # noqa: A002 - the wire's own word
    node: str | None = None,
    event: str | None = None,
    attempt: int | None = None,
    details: JsonObject = b"{}",
) -> bytes:
    """Writes a `HistoryRecord`."""
    return _ENCODER.encode(
        _History(
            _SCHEMA,
            workflow,
            version,
            key,
            run,
            sequence,
            rfc3339(at),
            type,
            node,
            event,
            attempt,
            _json_object(details),
        )
    )


def encode_step_result(
    *,
    workflow: str,
    version: int,
    key: str,
    run: str,
    sequence: int,
    at: datetime,
    node: str,
    event: str,
    attempt: int,
    started_at: datetime,
    result: bytes = b"null",
    metadata: JsonObject = b"{}",
) -> bytes:
    """Writes a `StepResultRecord`; `result` is the JSON of the outcome's payload."""
    return _ENCODER.encode(
        _StepResult(
            _SCHEMA,
            workflow,
            version,
            key,
            run,
            sequence,
            rfc3339(at),
            node,
            event,
            attempt,
            msgspec.Raw(result),
            _json_object(metadata),
            rfc3339(started_at),
        )
    )


def encode_completion(
    *,
    workflow: str,
    version: int,
    key: str,
    run: str,
    sequence: int,
    at: datetime,
    status: EndStatus,
    started_at: datetime,
    ended_at: str | None = None,
    error: str | Mapping[str, object] | None = None,
    results: Mapping[str, bytes],
) -> bytes:
    """Writes a `CompletionRecord`; `results` holds the JSON of each node's result."""
    return _ENCODER.encode(
        _Completion(
            _SCHEMA,
            workflow,
            version,
            key,
            run,
            sequence,
            rfc3339(at),
            status,
            ended_at,
            error,
            {node: msgspec.Raw(result) for node, result in results.items()},
            rfc3339(started_at),
        )
    )


def encode_reply(
    *,
    id: str,  # noqa: A002 - the wire's own word
    key: str | None,
    accepted: bool,
    partition: int,
    at: datetime,
    effect: AnswerEffect | None = None,
    reason: Reason | None = None,
    message: str | None = None,
    run: str | None = None,
    position: int | None = None,
    duplicate: bool = False,
) -> bytes:
    """Writes a `Reply`."""
    return _ENCODER.encode(
        _Reply(
            _SCHEMA,
            id,
            key,
            accepted,
            effect,
            reason,
            message,
            run,
            partition,
            position,
            rfc3339(at),
            duplicate or msgspec.UNSET,
        )
    )


def rfc3339(at: datetime) -> str:
    """An instant as `2026-11-23T06:04:05.123456Z`, always of the same width, so that texts sort as the instants do.

    Raises:
        ValueError: The time has no zone, so it is no instant.
    """
    if at.tzinfo is not UTC:
        if at.utcoffset() is None:
            raise ValueError(f"{at!r} has no time zone: make it with datetime.now(UTC)")
        # Before the cache: in one zone the two readings of a repeated hour are equal, and so they would be one entry.
        at = at.astimezone(UTC)
    return _utc_text(at)


# A cycle stamps all its records with one instant, so nearly every call finds the text made.
@lru_cache(maxsize=64)
def _utc_text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _json_object(value: JsonObject) -> object:
    """An object as msgspec writes it: raw where it is JSON already."""
    return msgspec.Raw(value) if isinstance(value, bytes) else value


def _plain(value: object) -> object:
    """Turns what msgspec does not write by itself into what it does: any mapping, at any depth, is an object."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    raise TypeError(f"a {type(value).__name__} is no JSON: write text, numbers, lists or mappings")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
