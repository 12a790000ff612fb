"""What can happen to a run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from hephaestus_stream.core.state import Error, Reported

TimerKind = Literal["retry", "wait"]


class Start(msgspec.Struct, frozen=True):
    """A run begins. Its id is that of the command.

    Attributes:
        size: Bytes that input, tags and metadata take in the record together.
        trace: The trace that the run belongs to.
    """

    key: str
    run: str
    input: bytes
    tags: tuple[str, ...] = ()
    metadata: dict[str, object] = {}
    size: int = 0
    trace: str | None = None


class Resume(msgspec.Struct, frozen=True):
    """An outsider sends an event.

    Attributes:
        problem: What the event's model said against the payload; the shard asks it, and the engine refuses by it.
    """

    command: str
    node: str | None
    reported: Reported
    problem: str | None = None


class Release(msgspec.Struct, frozen=True):
    """An event that was kept while the run was parked is sent again."""

    resume: Resume


class StartRefused(msgspec.Struct, frozen=True):
    """Somebody wanted to start the key a second time."""

    command: str
    reason: str
    message: str


class Migrate(msgspec.Struct, frozen=True):
    """An outsider moves the run to the version that it is applied with.

    Attributes:
        problem: What that version's models said against the payloads that the run has; the shard asks them.
    """

    command: str
    problem: str | None = None


class Steering(msgspec.Struct, frozen=True):
    """What an outsider decides about a run as a whole; the history keeps who did it, and why.

    Attributes:
        command: The command's id.
    """

    command: str
    reason: str | None = None
    by: str | None = None


class Cancel(Steering, frozen=True):
    """An outsider ends the run.

    Attributes:
        at_once: Whether the code of its steps gets no time to clean up.
    """

    at_once: bool = False


class Retry(Steering, frozen=True):
    """An outsider lets a run go on that failed, or stands still after a bug of the engine."""


class Pause(Steering, frozen=True):
    """An outsider lets nothing new begin in the run."""


class Continue(Steering, frozen=True):
    """An outsider lets a paused run go on."""


class Skip(Steering, frozen=True, kw_only=True):
    """An outsider says what a node ends with, in place of its step.

    Attributes:
        problem: What the event's model said against the payload.
    """

    node: str
    reported: Reported
    problem: str | None = None


class StepEmitted(msgspec.Struct, frozen=True):
    """An attempt ended with an event."""

    node: str
    attempt: int
    reported: Reported


class StepSuspended(msgspec.Struct, frozen=True):
    """An attempt ended by waiting."""

    node: str
    attempt: int
    timeout: timedelta | None = None
    until: datetime | None = None
    otherwise: Reported | None = None


class StepFailed(msgspec.Struct, frozen=True):
    """An attempt ended with an exception.

    Attributes:
        permanent: Whether no retry can mend it.
        jitter: A random number in [0, 1), drawn outside.
        retry_after: The delay that the step asked for; None leaves it to the policy.
    """

    node: str
    attempt: int
    error: Error
    permanent: bool = False
    jitter: float = 0.5
    retry_after: timedelta | None = None


class Chosen(msgspec.Struct, frozen=True):
    """A routing function returned a label."""

    node: str
    label: str


class ChoiceFailed(msgspec.Struct, frozen=True):
    """A routing function raised an exception."""

    node: str
    error: Error


class TimerFired(msgspec.Struct, frozen=True):
    """The due time of a wait or of a retry has come."""

    node: str
    attempt: int
    kind: TimerKind
    due_at: datetime
    jitter: float = 0.5


class Recovered(msgspec.Struct, frozen=True):
    """A worker takes the run over; its running steps are started again.

    Attributes:
        worker_lost: Whether the former worker went without closing: then a step may be what killed it.
        alive: The nodes whose attempts go on, since this very process executes them still.
        last_seen: When the lost worker last committed anything; None where that is unknown.
        alone: The node whose attempt was the only one on the lost worker that had just been taken up again: none but it
            is blamed.
        turn: The nodes that were held and begin now; the others stay as they are. None are named at the takeover.
    """

    worker_lost: bool
    alive: tuple[str, ...] = ()
    last_seen: datetime | None = None
    alone: str | None = None
    turn: tuple[str, ...] = ()


Input = (
    Start
    | Resume
    | Release
    | StartRefused
    | Migrate
    | Cancel
    | Retry
    | Pause
    | Continue
    | Skip
    | StepEmitted
    | StepSuspended
    | StepFailed
    | Chosen
    | ChoiceFailed
    | TimerFired
    | Recovered
)
