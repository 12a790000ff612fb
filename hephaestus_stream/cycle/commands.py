"""What each command does: it starts a run, sends it an event, moves it to another version, or steers it."""

from __future__ import annotations

import logging
from typing import Final, assert_never

from hephaestus_stream.core.admission import Existing, KeyRecord, admit, conflicting, find_run, readmit
from hephaestus_stream.core.answer import Accepted, Answer, Refused
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import Cancel, Migrate, Release, Resume, Start, StartRefused
from hephaestus_stream.core.state import ParkedEvent, Reported, State
from hephaestus_stream.core.steering import may_be_retried
from hephaestus_stream.cycle.blame import OF_NO_INPUT
from hephaestus_stream.cycle.execution import Decided, Execution
from hephaestus_stream.cycle.payload import event_payload, label_size, parked_payload, start_payload, unreadable_payload
from hephaestus_stream.cycle.steering import steering
from hephaestus_stream.encryption.run import event_place, result_place
from hephaestus_stream.errors import EngineError
from hephaestus_stream.wire.command import (
    CancelCommand,
    Command,
    ContinueCommand,
    MigrateCommand,
    PauseCommand,
    ResumeCommand,
    RetryCommand,
    SkipCommand,
    StartCommand,
    SteeringCommand,
    TerminateCommand,
)

_logger: Final = logging.getLogger(__name__)


class Commands:
    """Applies commands, one after the other."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._tables = execution.tables
        self._catalog = execution.shard.catalog
        self._cipher = execution.shard.cipher

    def apply(self, command: Command, *, trace: str | None) -> tuple[Answer, str | None]:
        """Does what a command says; returns the answer and the run that it is about."""
        match command:
            case StartCommand():
                return self._start(command, trace=trace)
            case ResumeCommand():
                return self._resume(command)
            case MigrateCommand():
                return self._migrate(command)
            case (
                CancelCommand()
                | RetryCommand()
                | PauseCommand()
                | ContinueCommand()
                | SkipCommand()
                | TerminateCommand()
            ):
                return self._steer(command)
            case _:
                assert_never(command)

    def release(self, definition: Definition, state: State) -> None:
        """Sends the events again that were kept while a run was parked."""
        for parked in state.parked:
            current = self._tables.state(state.key, state.run) or state
            release = Release(self._resume_of(definition, current, parked, is_accepted=True))
            try:
                self._execution.transit(definition, current, release)
            except OF_NO_INPUT:
                raise
            except Exception as error:  # our own bug must cost this run only, and not what has been decided before
                _logger.exception("a kept event of %s (run %s) failed in the engine", state.key, state.run)
                self._execution.halt(definition, current, release, error=error)
                return

    def _start(self, command: StartCommand, *, trace: str | None) -> tuple[Answer, str | None]:
        definition = self._catalog.find(command.workflow, command.version)
        if isinstance(definition, Refused):
            return definition, None
        if (wrong := _wrong_key(definition, command.key)) is not None:
            return wrong, None
        payload = start_payload(command, definition=definition, cipher=self._cipher)
        if isinstance(payload, Refused):
            return payload, None
        record = self._tables.key_record(command.key)
        admission = admit(definition, record, key=command.key, on_conflict=command.on_conflict)
        if isinstance(admission, Refused):
            self._tell_refused(command, admission)
            return admission, admission.run
        if isinstance(admission, Existing):
            return Accepted("existing"), admission.run
        # All is decided before anything of it is written down: a start that fails ends no other run.
        decided = [self._replaced(command, run, record) for run in admission.terminate]
        size = len(payload) + label_size(command)
        trace = trace or self._execution.shard.new_trace(definition)
        start = Start(command.key, command.id, payload, command.tags, dict(command.metadata), size, trace)
        decided.append(Decided(definition, self._execution.decide(definition, None, start)))
        self._execution.carry_out(decided)
        return Accepted("applied"), command.id

    def _tell_refused(self, command: StartCommand, refused: Refused) -> None:
        """Writes a second start into the history of the live run that stands against it."""
        state = None if refused.run is None else self._tables.state(command.key, refused.run)
        if state is not None and state.is_live:
            what = StartRefused(command.id, refused.reason, refused.message)
            self._execution.transit(self._definition(state), state, what)

    def _replaced(self, command: StartCommand, run: str, record: KeyRecord) -> Decided:
        """How a run ends that is replaced; a parked one, too."""
        state = self._tables.state(command.key, run)
        found = next(each for each in record.runs if each.run == run)
        if state is None:
            raise EngineError(f"{command.key} names the run {run}, and there is none")
        definition = self._catalog.get(found.workflow, found.version)
        cancel = Cancel(command.id, f"replaced by run {command.id}")
        return Decided(definition, self._execution.decide(definition, state, cancel))

    def _resume(self, command: ResumeCommand) -> tuple[Answer, str | None]:
        state = self._find(command)
        if isinstance(state, Refused):
            return state, None
        definition = self._definition(state)
        if definition is None:
            answer = _answer_of(self._execution.transit(None, state, self._unread(command)).answer)
            if answer == Accepted("kept"):
                answer = Accepted("kept", self._execution.shard.why_parked(state))
            return answer, state.run
        sent = ParkedEvent(command.node, Reported(command.event, command.payload_json()), command.id)
        resume = self._resume_of(definition, state, sent)
        return _answer_of(self._execution.transit(definition, state, resume).answer), state.run

    def _migrate(self, command: MigrateCommand) -> tuple[Answer, str | None]:
        state = self._find(command)
        if isinstance(state, Refused):
            return state, None
        target = self._catalog.find(command.workflow, command.to_version)
        if isinstance(target, Refused):
            return target, state.run
        if (wrong := _wrong_key(target, command.key)) is not None:
            return wrong, state.run
        record = self._tables.key_record(command.key)
        conflict = conflicting(target, record, key=command.key, besides=state.run)
        if conflict is not None:
            return conflict, conflict.run
        migrate = Migrate(command.id, unreadable_payload(target, state, cipher=self._cipher))
        decision = self._execution.transit(target, state, migrate)
        if isinstance(decision.answer, Accepted):
            self._execution.batch.migrated.add((state.key, state.run))
            self._execution.defer(state.key, state.run)
            self.release(target, decision.state)
        return _answer_of(decision.answer), state.run

    def _steer(self, command: CancelCommand | SteeringCommand) -> tuple[Answer, str | None]:
        state = self._find(command, ended=isinstance(command, RetryCommand | SkipCommand))
        if isinstance(state, Refused):
            return state, None
        definition = self._definition(state)
        what = steering(command, definition, state, cipher=self._cipher)
        if what is None:
            return Refused("parked", f"{command.key} is {self._execution.shard.why_parked(state)}"), state.run
        if definition is not None and not state.is_live and may_be_retried(state):
            record = self._tables.key_record(command.key)
            against = readmit(definition, record, key=command.key, run=state.run)
            if against is not None:
                return against, against.run
        answer = _answer_of(self._execution.transit(definition, state, what).answer)
        if isinstance(answer, Accepted):
            self._execution.defer(state.key, state.run)
        return answer, state.run

    def _find(
        self, command: ResumeCommand | MigrateCommand | CancelCommand | SteeringCommand, *, ended: bool = False
    ) -> State | Refused:
        """The run that a command means; `ended` says whether it may be one that has ended."""
        record = self._tables.key_record(command.key)
        run = find_run(
            record,
            key=command.key,
            workflow=command.workflow,
            run=command.run,
            version=command.version,
            ended=ended,
        )
        if isinstance(run, Refused):
            if not record.runs and not self._catalog.knows(command.workflow):
                return self._catalog.unknown(command.workflow)
            # The key may have forgotten a run that is still kept: an ended one, as all that it forgets.
            named = None if command.run is None else self._tables.state(command.key, command.run)
            return run if named is None or run.reason != "not_found" or named.workflow != command.workflow else named
        return self._tables.state(command.key, run.run) or Refused("not_found", f"{command.key} is not kept any more")

    def _definition(self, state: State) -> Definition | None:
        """A run's workflow in its version; None where the run is parked, which is told."""
        definition = self._execution.shard.definition_of(state)
        if definition is None:
            self._execution.tell_parked(state)
        return definition

    def _unread(self, command: ResumeCommand) -> Resume:
        """An event for a parked run as it is kept: nobody can ask its model."""
        place = event_place(command.workflow, command.key, command=command.id, event=command.event)
        payload, problem = parked_payload(command.payload_json(), cipher=self._cipher, place=place)
        return Resume(command.id, command.node, Reported(command.event, payload), problem)

    def _resume_of(
        self, definition: Definition, state: State, sent: ParkedEvent, *, is_accepted: bool = False
    ) -> Resume:
        """An event as the engine takes it: with its payload as it is kept, or what the model says against it."""
        event = sent.reported.event
        node = sent.node or _only(definition.external_nodes(event)) or ""
        payload, problem = event_payload(
            sent.reported.payload or b"null",
            definition.events.get(node, {}).get(event),
            cipher=self._cipher,
            sent_for=event_place(state.workflow, state.key, command=sent.command, event=event),
            kept_for=result_place(state, node),
            is_accepted=is_accepted,
        )
        return Resume(sent.command, sent.node, Reported(event, payload), problem)


def _wrong_key(definition: Definition, key: str) -> Refused | None:
    prefix, _, id = key.partition("::")  # noqa: A001 - the wire's own word
    if prefix == definition.key:
        return None
    name = f"version {definition.version} of {definition.name}"
    return Refused("invalid_key", f"{key} is no key of {name}; write {definition.key}::{id}")


def _answer_of(answer: Answer | None) -> Answer:
    return answer or Refused("engine_error", "the engine gave no answer; please report it")


def _only(names: tuple[str, ...]) -> str | None:
    return names[0] if len(names) == 1 else None
