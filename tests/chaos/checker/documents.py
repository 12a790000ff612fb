"""The JSON of the topics, by `docs/wire.md` alone; nothing of the engine's own forms is used here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True):
    """An event of a run's history."""

    workflow: str
    version: int
    key: str
    run: str
    sequence: int
    at: datetime
    type: str
    node: str | None = None
    event: str | None = None
    attempt: int | None = None
    details: dict[str, Any] = {}

    def __str__(self) -> str:
        where = "" if self.node is None else f" {self.node}" + ("" if self.event is None else f".{self.event}")
        attempt = "" if self.attempt is None else f" #{self.attempt}"
        details = f" {self.details}" if self.details else ""
        return f"{self.key} run {self.run} [{self.sequence}] {self.type}{where}{attempt}{details}"

    @property
    def command(self) -> str | None:
        """The command that it comes from, as far as it tells."""
        if self.type == "started":
            return self.run
        command: str | None = self.details.get("command")
        return command


class Told(msgspec.Struct, frozen=True):
    """An event, and where in the topic it stands."""

    event: Event
    partition: int
    offset: int


class StepResult(msgspec.Struct, frozen=True):
    """The result of a completed step."""

    key: str
    run: str
    sequence: int
    node: str
    event: str
    attempt: int
    result: Any


class Completion(msgspec.Struct, frozen=True):
    """The end of a run."""

    key: str
    run: str
    sequence: int
    status: str
    ended_at: str | None
    results: dict[str, Any]
    error: Any = None


class Answer(msgspec.Struct, frozen=True):
    """The answer to a command."""

    id: str
    key: str | None
    accepted: bool
    effect: str | None
    reason: str | None
    run: str | None
    partition: int
    position: int
    duplicate: bool = False

    @property
    def content(self) -> tuple[bool, str | None, str | None, str | None, int, int]:
        """What all answers to one command must say alike."""
        return (self.accepted, self.effect, self.reason, self.run, self.partition, self.position)


class Command(msgspec.Struct, frozen=True):
    """A command as it was sent."""

    type: str
    id: str
    workflow: str
    key: str
    run: str | None = None
    node: str | None = None
    event: str | None = None
    on_conflict: str = "reject"

    def __str__(self) -> str:
        what = f" {self.node}.{self.event}" if self.event else ""
        return f"{self.type}{what} {self.id} for {self.key}"


class Seen(msgspec.Struct, frozen=True):
    """A record of the topic of commands."""

    command: Command
    partition: int
    offset: int
    asks: bool


class Execution(msgspec.Struct, frozen=True):
    """What a step wrote into its file when it was executed.

    Attributes:
        key: Its idempotency key.
        event: The event that it then ended with; None where it failed.
        result: What the event carries.
    """

    key: str
    attempt: int
    pid: int
    at: float
    event: str | None
    result: Any = None
