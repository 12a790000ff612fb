"""How the rows of an event log become commands: a module declares it beside its workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar
from uuid import UUID, uuid5

from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.errors import CommandError, EventLogError, InvalidKeyError
from hephaestus_stream.eventlog.row import Row, no_column
from hephaestus_stream.wire.command import MAX_NAME_LENGTH, Command, ResumeCommand, StartCommand
from hephaestus_stream.wire.key import full_key
from hephaestus_stream.wire.request import resume_command, start_command

InputT = TypeVar("InputT")
PayloadT = TypeVar("PayloadT")
MadeT = TypeVar("MadeT")

# Any fixed UUID does; another one would make new commands of old rows.
_COMMAND_IDS: Final = UUID("0d1f0c1e-6f0b-5c0e-9c53-3f1f2b7d9a10")


class EventLog(Generic[InputT, PayloadT]):
    """A log of what happened to many cases, row by row, as a workflow reads it.

    The first row of a case starts its run, with the case as business key; each later row is an event for it. An
    activity without an event is sent all the same, to a node that cannot exist, so that the engine refuses it with a
    reason and nothing of the log gets lost in silence.

    Args:
        workflow: What the cases are runs of.
        case: The column that says whose row it is.
        activity: The column that says what happened.
        start: The activity that opens a case, and must be its first.
        initial: Makes a case's start payload of its first row.
        events: The event that each other activity is.
        payload: Makes an event's payload of its row.

    Raises:
        EventLogError: The declaration itself is wrong, with all problems at once.
    """

    def __init__(
        self,
        workflow: type[Workflow[InputT]],
        *,
        case: str,
        activity: str,
        start: str,
        initial: Callable[[Row], InputT],
        events: Mapping[str, NodeEvent[PayloadT]],
        payload: Callable[[Row], PayloadT],
    ) -> None:
        self.workflow = workflow
        self._case = case
        self._activity = activity
        self._start = start
        self._initial = initial
        self._events = dict(events)
        self._payload = payload
        self._refuse_if_wrong()

    @property
    def columns(self) -> tuple[str, str]:
        """The columns that every row must have, that of the case and that of the activity."""
        return self._case, self._activity

    def commands(self, rows: Iterable[Row]) -> Iterator[Command]:
        """Turns rows into commands, one each, in their order.

        A command's id is derived from its case and the row's number: the same log gives the same commands.

        Raises:
            EventLogError: A row cannot be read, or a case does not begin with the activity that opens it.
        """
        runs: dict[str, str] = {}
        for row in rows:
            case, activity = self._value(row, self._case), self._value(row, self._activity)
            run = runs.get(case)
            if run is not None:
                yield self._event(row, case=case, activity=activity, run=run)
                continue
            if activity != self._start:
                raise EventLogError(
                    f"line {row.line}: {case} begins with {activity!r}, not with {self._start!r}: sort the log by "
                    "time, and leave out cases whose beginning it lacks"
                )
            command = self._opening(row, case=case)
            runs[case] = command.id
            yield command

    def _opening(self, row: Row, *, case: str) -> StartCommand:
        command = self._id(row, case=case)
        return _made(row, lambda: start_command(self.workflow, case, self._initial(row), command_id=command))

    def _event(self, row: Row, *, case: str, activity: str, run: str) -> ResumeCommand:
        command = self._id(row, case=case)
        event = self._events.get(activity)
        if event is not None:
            return _made(
                row,
                lambda: resume_command(self.workflow, case, event, self._payload(row), command_id=command, run=run),
            )
        definition = self.workflow.definition
        return ResumeCommand(
            id=command,
            workflow=definition.name,
            key=full_key(definition.key, case),
            run=run,
            node=_no_node(activity),
            event="received",
        )

    def _id(self, row: Row, *, case: str) -> str:
        definition = self.workflow.definition
        return str(uuid5(_COMMAND_IDS, f"{definition.name} {definition.key}::{case} {row.number}"))

    def _value(self, row: Row, column: str) -> str:
        try:
            return row[column]
        except KeyError:
            raise EventLogError(no_column(row, column)) from None

    def _refuse_if_wrong(self) -> None:
        nodes = self.workflow.definition.nodes
        problems = [
            f"{activity!r}: {event.name} is no event of {self.workflow.definition.class_name}; take one of its nodes'"
            for activity, event in self._events.items()
            if nodes.get(event.node.node_name) is not event.node
        ]
        problems += [
            f"{activity!r}: {event.name} may not come from outside; declare it Event(..., external=True)"
            for activity, event in self._events.items()
            if not event.event.external
        ]
        if self._start in self._events:
            problems.append(f"{self._start!r} opens a case, so it cannot be an event too; take it out of events")
        if problems:
            raise EventLogError("the event log is declared wrongly:\n" + "\n".join(f"  {each}" for each in problems))


def _made(row: Row, make: Callable[[], MadeT]) -> MadeT:
    """What a row tells of, or an error that points at its line."""
    try:
        return make()
    except KeyError as error:
        column = error.args[0] if error.args else None
        if not isinstance(column, str) or column in row:
            raise EventLogError(f"line {row.line} cannot be read: {error!r}") from error
        raise EventLogError(no_column(row, column)) from None
    except (CommandError, InvalidKeyError) as error:
        raise EventLogError(f"line {row.line} cannot be sent: {error}") from error
    except Exception as error:  # the functions that read rows are the user's own
        raise EventLogError(f"line {row.line} cannot be read: {type(error).__name__}: {error}") from error


def _no_node(activity: str) -> str:
    """A name that no node can have, for its colon, and that still says which activity it was."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in activity)
    return f"activity:{printable}"[:MAX_NAME_LENGTH]
