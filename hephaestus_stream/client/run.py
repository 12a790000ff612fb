"""What the client's verbs return: references and receipts, frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from hephaestus_stream.core.answer import AnswerEffect
from hephaestus_stream.core.limits import MAX_CLOCK_DIFFERENCE
from hephaestus_stream.errors import CommandRefusedError
from hephaestus_stream.wire.command import CancelCommand, MigrateCommand, ResumeCommand, StartCommand, SteeringCommand
from hephaestus_stream.wire.key import split_key
from hephaestus_stream.wire.output import Reply


@dataclass(frozen=True, slots=True)
class Published:
    """A command that the broker holds, and nobody has answered yet.

    Attributes:
        partition: Where it stands in `commands`.
        offset: See `partition`.
        at: The broker's time of it, or the worker's that took it in; None where the topic keeps none.
        position: The offset where a worker has taken it in; None where that is not known.
    """

    partition: int
    offset: int
    at: datetime | None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A reference to one life of a key; `str(run)` is the key, as `orderid::abc123`.

    Attributes:
        workflow: The workflow's stored name.
        version: The version that was asked for.
        key: The business key.
        run: The id of the run: that of the command which started it.
        partition: The partition of the key.
        position: The offset of the command that was answered; None where no answer was waited for.
        effect: `applied` where the run was started, `existing` where it was found; None where no answer was waited for.
        duplicate: Whether the same command had been answered before.
        at: When it was started; None where it may be older than the answer.
    """

    workflow: str
    version: int | None
    key: str
    run: str
    partition: int
    position: int | None = None
    effect: AnswerEffect | None = None
    duplicate: bool = False
    at: datetime | None = None

    @property
    def id(self) -> str:
        """The business value: `abc123` of `orderid::abc123`."""
        return split_key(self.key)[1]

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the engine said to any command but a start.

    Attributes:
        command_id: The command that it answers.
        workflow: The workflow's stored name.
        key: The business key.
        run: The run that the command met; None where no answer was waited for and none was named.
        partition: The partition of the key.
        position: The offset of the command; None where no worker has told of it.
        effect: `applied`; `kept` for an event that came before its node waits, or while the run is parked; `existing`
            where nothing had to be done; None where no answer was waited for.
        message: What one might not expect, as that the run is parked.
        duplicate: Whether the same command had been answered before.
        at: When it was taken in; `wait` for a receipt passes over ends that came before, as that which was retried.
            Where no worker has told, an end within 5 s before counts as well: clocks may differ so much.
    """

    command_id: str
    workflow: str
    key: str
    run: str | None
    partition: int
    position: int | None = None
    effect: AnswerEffect | None = None
    message: str | None = None
    duplicate: bool = False
    at: datetime | None = None

    @property
    def not_before(self) -> datetime | None:
        """The moment before which the run had not ended as it will: the end before a retry is another one.

        Ends are told by the clocks of workers; where nobody has answered, `at` is the broker's.
        """
        if self.at is None or self.position is not None:
            return self.at
        return self.at - MAX_CLOCK_DIFFERENCE


def run_of(command: StartCommand, answer: Reply | Published) -> Run:
    """The run that a start began or found.

    Raises:
        CommandRefusedError: The engine refused.
    """
    run = Run(command.workflow, command.version, command.key, command.id, answer.partition)
    if isinstance(answer, Published):
        return replace(run, at=answer.at)
    require_accepted(answer)
    is_new = answer.effect == "applied" and not answer.duplicate
    return replace(
        run,
        run=answer.run or command.id,
        position=answer.position,
        effect=answer.effect,
        duplicate=answer.duplicate,
        at=answer.at if is_new else None,
    )


def receipt_of(
    command: ResumeCommand | MigrateCommand | CancelCommand | SteeringCommand, answer: Reply | Published
) -> Receipt:
    """The receipt for any command but a start.

    Raises:
        CommandRefusedError: The engine refused.
    """
    if isinstance(answer, Published):
        return Receipt(
            command.id,
            command.workflow,
            command.key,
            command.run,
            answer.partition,
            position=answer.position,
            at=answer.at,
        )
    require_accepted(answer)
    return Receipt(
        command.id,
        command.workflow,
        command.key,
        answer.run or command.run,
        answer.partition,
        position=answer.position,
        effect=answer.effect,
        message=answer.message,
        duplicate=answer.duplicate,
        at=answer.at,
    )


def require_accepted(reply: Reply) -> None:
    """Returns where the command was accepted.

    Raises:
        CommandRefusedError: It was not.
    """
    if not reply.accepted:
        reason = reply.reason or "unknown"
        raise CommandRefusedError(reply.message or f"the command was refused: {reason}", reason=reason, run=reply.run)
