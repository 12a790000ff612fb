"""How the engine answers a command."""

from __future__ import annotations

from typing import Literal

import msgspec

AnswerEffect = Literal["applied", "kept", "existing"]

Reason = Literal[
    "already_running",  # the key has a live run within the scope
    "ambiguous",  # several runs, or several nodes, fit
    "early_events_full",  # the run keeps as many early events as it may
    "ended",  # the run is over
    "engine_error",  # our own bug
    "incompatible_version",  # the run cannot have come to its state in that version
    "invalid_key",  # the key is not one of the workflow, or no key at all
    "invalid_payload",  # its model refuses it
    "key_used",  # the workflow's `reuse` keeps the key of an ended run
    "misrouted",  # found in the wrong partition even after it was forwarded
    "not_external",  # a step's own event, which outsiders cannot send
    "not_found",  # no run of that key
    "not_reached",  # the run has not come to the node yet
    "not_retryable",  # nothing failed that could be tried again
    "parked",  # the worker lacks the run's version, or a key
    "settled",  # the node is done with
    "too_large",  # the record of the run would grow beyond its bound
    "too_many_runs",  # the key has as many live runs as it may
    "undecodable",  # no JSON object of a command's form
    "unknown_event",
    "unknown_node",
    "unknown_version",
    "unknown_workflow",
    "unsupported_schema",
]


class Accepted(msgspec.Struct, frozen=True):
    """The command is recorded, with this effect; a message says what one might not expect."""

    effect: AnswerEffect
    message: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """The command changes nothing; the message says the way out, and `run` is the run that stands against it."""

    reason: Reason
    message: str
    run: str | None = None


Answer = Accepted | Refused
