"""Every exception that a user can meet, one tree.

Each error says what went wrong, where, and the way out; what a program may want to know it carries as attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, cast


class HephaestusError(Exception):
    """The root of the tree: `except HephaestusError` catches all that this library raises by itself."""


# --- definitions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Note:
    """Another place that a problem has to do with, such as the other row of an event that is wired twice.

    Attributes:
        what: What is there.
        file: The path of the source file.
        line: The line in it, counted from 1.
        column: As in `Problem`.
        end_column: As in `Problem`.
    """

    what: str
    file: str
    line: int
    column: int | None = None
    end_column: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition.

    Attributes:
        rule: The word for the rule that it breaks, as `unwired-event`; `docs/refusals.md` tells of each.
        what: What is wrong, beginning with the name it is about.
        where: The place for people, as `workflows/order.py:31`.
        remedy: What to write instead.
        file: The path of the source file.
        line: The line in it, counted from 1.
        column: Where in the line it begins, counted from 1 in bytes of UTF-8; None where that is unknown.
        end_column: The first column behind it; None where that is unknown, or on another line.
        notes: Other places that it has to do with.
    """

    rule: str
    what: str
    where: str
    remedy: str
    file: str
    line: int
    column: int | None = None
    end_column: int | None = None
    notes: tuple[Note, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.remedy}"


class WorkflowDefinitionError(HephaestusError):
    """A workflow class is wrong; `problems` holds every problem found, each with its file, line and remedy."""

    def __init__(self, workflow: str, problems: Sequence[Problem]) -> None:
        self.workflow = workflow
        self.problems = tuple(problems)
        lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1))
        super().__init__(f"{workflow} is not a valid workflow:\n{lines}")


class StepDefinitionError(HephaestusError):
    """A step class or a node is wrong in itself: a missing configuration, a bad event, a bad retry policy.

    `problem` holds its rule, file, line and remedy; None where it was found in an outcome of a running step.
    """

    def __init__(self, problem: Problem | str) -> None:
        self.problem = problem if isinstance(problem, Problem) else None
        super().__init__(str(problem))


class UnknownEventError(HephaestusError, AttributeError):
    """An event, or another attribute, was read from a node that has none of this name; `problem` says where."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)

    def __str__(self) -> str:
        return f"{self.problem.what}; {self.problem.remedy} ({self.problem.where})"


# --- inside a step ---------------------------------------------------------------------------------------------------


class PermanentError(HephaestusError):
    """Raised by a step whose failure no retry can mend: the node fails at once."""


class RetryAfterError(HephaestusError):
    """Raised by a step that knows when another attempt makes sense, as of a service that said so.

    The attempt has failed as with any other exception, and counts; only the delay is the step's instead of the
    policy's, however long.
    """

    def __init__(self, message: str, *, delay: timedelta) -> None:
        if not isinstance(cast("object", delay), timedelta):
            raise StepDefinitionError(f"RetryAfterError(delay={delay!r}) is no duration; give a timedelta")
        self.delay = delay
        super().__init__(message)


class StepTimeoutError(HephaestusError, TimeoutError):
    """An attempt took longer than its step's `timeout`; it is retried by the step's policy."""


class StepProcessError(HephaestusError):
    """The process of a step ended before the step did; the attempt is retried by the step's policy."""


class MissingResultError(HephaestusError, KeyError):
    """A step asked its context for a result that no visible node has."""

    __str__ = Exception.__str__  # KeyError's own shows the repr of the sentence


class AmbiguousResultError(HephaestusError, LookupError):
    """A step asked its context for the result of an event that several visible nodes emitted; `nodes` names them."""

    def __init__(self, message: str, nodes: Sequence[str]) -> None:
        self.nodes = tuple(nodes)
        super().__init__(message)


# --- the client ------------------------------------------------------------------------------------------------------


class CommandRefusedError(HephaestusError):
    """The engine refused a command; `reason` is one word of the wire contract, the message says the way out."""

    def __init__(self, message: str, *, reason: str, run: str | None = None) -> None:
        self.reason = reason
        self.run = run
        super().__init__(message)


class NoAnswerError(HephaestusError, TimeoutError):
    """No answer came before the deadline: the command may still be applied.

    Repeating the call with `command_id` set to the `command_id` of this error is safe; `problem` says what happened,
    without this way out.
    """

    def __init__(self, problem: str, *, command_id: str, way_out: str | None = None) -> None:
        self.problem = problem
        self.command_id = command_id
        super().__init__(f"{problem}; {way_out or f'repeating the call with command_id={command_id!r} is safe'}")


class NotEndedError(HephaestusError, TimeoutError):
    """A run has not ended before the deadline of a wait; waiting again is safe."""


class RunNotFoundError(HephaestusError, LookupError):
    """A key has no such run, or none at all; one whose retention is over is not kept any more."""


class UnavailablePartition(Protocol):
    """A partition that cannot be asked, as `wire.instance.Unavailable` tells of it."""

    @property
    def partition(self) -> int:
        """Its number."""
        ...

    @property
    def reason(self) -> str:
        """Why, as a word."""
        ...

    @property
    def message(self) -> str:
        """Why, for people."""
        ...


class PartitionUnavailableError(HephaestusError):
    """Nobody can answer for a partition now: it has no owner, or its owner is not ready; ask again.

    Attributes:
        unavailable: The partitions, and what is wrong with each.
    """

    def __init__(self, unavailable: Sequence[UnavailablePartition], message: str = "") -> None:
        self.unavailable = tuple(unavailable)
        reasons = "; ".join(f"partition {each.partition}: {each.message}" for each in self.unavailable)
        super().__init__(message or f"not all partitions can be asked now ({reasons}): ask again")


class WorkerNotReadyError(HephaestusError):
    """A worker cannot answer yet."""


class InvalidCursorError(HephaestusError, ValueError):
    """A cursor is none that a page of this query has given."""


class ApiUnreachableError(HephaestusError, ConnectionError):
    """No worker answers over HTTP."""


class ApiRefusedError(HephaestusError, PermissionError):
    """A worker does not let the client do that: its token is missing, wrong, or of another role."""


class DeadLetterNotFoundError(HephaestusError, LookupError):
    """There is no dead letter at a place, or it is kept no longer."""


class NotReplayableError(HephaestusError, ValueError):
    """A dead letter holds no command that could be sent again: it cannot be read, is not whole, or never was one."""


class ClientClosedError(HephaestusError):
    """A verb was called on a client that is closed, or not open yet."""


class ClientBusyError(HephaestusError):
    """A client has as many commands under way as it may; some answers must be awaited before it takes more."""


class InvalidKeyError(HephaestusError, ValueError):
    """An id cannot be a business key: it is empty, too long, not printable, contains `::`, or borders on `:`."""


# --- testing ---------------------------------------------------------------------------------------------------------


class SimulatorError(HephaestusError, ValueError):
    """A test asks its `Simulator` for what makes no sense: a stub that no step could return, or a foreign run."""


# --- the wire --------------------------------------------------------------------------------------------------------


class CommandError(HephaestusError, ValueError):
    """A command cannot be read from its bytes or written to them.

    `reason` is a word of the wire contract; `id` and `key` are the command's where they could be read, so that the
    refusal can still be answered.
    """

    def __init__(  # the words are the wire's own
        self,
        message: str,
        *,
        reason: str,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
    ) -> None:
        self.reason = reason
        self.id = id
        self.key = key
        super().__init__(message)


class RecordError(HephaestusError, ValueError):
    """A record of an output topic, or the headers of a dead letter, are not what this library writes."""


class EngineError(HephaestusError):
    """A bug of the engine itself; please report it with the run's history."""


class PayloadUnreadableError(HephaestusError):
    """An encrypted payload cannot be read: its key is not here, it was changed, or it stands where it does not belong.

    `key` is the id of the key that it was encrypted with, where that could be read. A step that meets it has a failed
    attempt, which is retried as any other.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        self.key = key
        super().__init__(message)


class EngineBrokenError(EngineError):
    """The engine failed on several instances one after the other; their partition is closed before it halts more."""


# --- Kafka -----------------------------------------------------------------------------------------------------------


class BrokerUnreachableError(HephaestusError, ConnectionError):
    """No broker answered at the given address."""


class ClusterNotReadyError(BrokerUnreachableError):
    """A broker answers, and the cluster cannot do what it is asked for yet: its brokers are just starting."""


class BrokerRefusedError(HephaestusError, ConnectionError):
    """A broker answers but does not let us in: for a wrong password, certificate, or `security.protocol`."""


class AccessDeniedError(HephaestusError, PermissionError):
    """Kafka knows us and denies a right; the message names it and what it is for."""


class TopicMismatchError(HephaestusError):
    """The topics of a namespace are not as the engine needs them; `problems` says what differs."""

    def __init__(self, message: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(message)


class ShardClosedError(HephaestusError):
    """A partition cannot be owned safely and is closed: its position does not fit its topic, or a record is unreadable.

    It is closed alone; the others of its worker go on.
    """


class PositionLostError(ShardClosedError):
    """The topic of the commands has the position of a partition no longer; `partition` is its number."""

    def __init__(self, message: str, *, partition: int) -> None:
        self.partition = partition
        super().__init__(message)


class StateLostError(ShardClosedError):
    """The brokers lost records of a partition's state that a database still has; it is not touched."""


class UnreadablePositionError(ShardClosedError):
    """What stands in the place of a partition's position is none, of whatever version."""


class FencedError(HephaestusError):
    """Another worker owns this partition now; nothing that this one did since was committed. The worker exits."""


class CommitFailedError(HephaestusError):
    """A transaction failed in a way that no repetition mends; whether it was committed the next owner finds out."""


class RecordRefusedError(HephaestusError):
    """One record can never be written; `index` is its place in the batch, which was aborted as a whole."""

    def __init__(self, message: str, *, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(message)


class StoppedError(HephaestusError):
    """A blocking call ended early because its partition is being closed; an open transaction is left to the broker."""


class StoreFailedError(HephaestusError):
    """The database of a partition cannot be read or written; the worker exits, what was committed is in Kafka."""


class StoreDamagedError(StoreFailedError):
    """The database of a partition is damaged on disk; it is wiped and replayed when the partition opens again."""


class OutOfResourcesError(HephaestusError):
    """The machine has no more threads, open files or disk space for this worker, which exits; nothing is lost by it."""


class UnsupportedFaustError(HephaestusError, ImportError):
    """The installed Faust or aiokafka differs from the one whose methods the stream overrides."""


# --- the local Kafka -------------------------------------------------------------------------------------------------


class LocalKafkaError(HephaestusError):
    """The local Kafka broker cannot be had or does not run."""


class JavaNotFoundError(LocalKafkaError):
    """No Java runtime was found in `JAVA_HOME`, on the path, or in the `local` extra."""


class ArtifactsUnavailableError(LocalKafkaError):
    """The Kafka artifacts are neither cached nor could they be resolved."""


# --- settings --------------------------------------------------------------------------------------------------------


class SettingsError(HephaestusError):
    """A setting is unknown or has a bad value; the message names its source."""


class DataFolderError(SettingsError):
    """The folder of the setting `data` cannot be used: another worker has it, or it cannot be written."""


class WorkflowNotFoundError(HephaestusError, LookupError):
    """A module, or a workflow in it, cannot be found or imported."""


# --- the worker's process ---------------------------------------------------------------------------------------------


class WorkerCrashedError(HephaestusError):
    """A worker ended by an error that nobody expected, such as one inside of Faust; its log has the traceback."""


# --- the command line ------------------------------------------------------------------------------------------------


class UsageError(HephaestusError, ValueError):
    """An argument makes no sense, as an input on the command line that is no JSON, or a status that none is."""


class DocstringError(HephaestusError):
    """The docstring of a workflow class cannot take its drawing: there is no source, or none that can be cut safely."""


# --- event logs ------------------------------------------------------------------------------------------------------


class EventLogError(HephaestusError, ValueError):
    """An event log cannot be read, or a module declares none, or declares it wrongly."""
