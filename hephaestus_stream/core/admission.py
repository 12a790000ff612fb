"""Which runs a key may have: uniqueness, reuse of an ended key, and the run that a command means."""

from __future__ import annotations

from typing import Literal

import msgspec

from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.definition import Definition, Scope
from hephaestus_stream.core.limits import MAX_ENDED_RUNS, MAX_LIVE_RUNS
from hephaestus_stream.core.state import EndStatus, State

OnConflict = Literal["reject", "return_existing", "terminate_existing"]


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """One life of a key, as the key remembers it; `ended` is None while it lives."""

    run: str
    workflow: str
    version: int
    scope: Scope
    ended: EndStatus | None = None


class KeyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a key: its runs, and how many commands it has been sent."""

    runs: tuple[Run, ...] = ()
    commands: int = 0

    def with_run(self, state: State, *, scope: Scope) -> KeyRecord:
        """The record after a run began or changed."""
        run = Run(state.run, state.workflow, state.version, scope, state.ending)
        if run in self.runs:
            return self
        others = tuple(other for other in self.runs if other.run != state.run)
        surplus = len(others) - MAX_LIVE_RUNS - MAX_ENDED_RUNS + 1
        if surplus > 0:
            forgotten = {other.run for other in [other for other in others if other.ended is not None][:surplus]}
            others = tuple(other for other in others if other.run not in forgotten)
        return msgspec.structs.replace(self, runs=(*others, run))

    def without_run(self, run: str) -> KeyRecord:
        """The record after a run's retention."""
        return msgspec.structs.replace(self, runs=tuple(other for other in self.runs if other.run != run))

    def live(self, workflow: str | None = None) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return tuple(run for run in self.runs if run.ended is None and workflow in {None, run.workflow})


class Admitted(msgspec.Struct, frozen=True):
    """The run may begin, after these have been ended."""

    terminate: tuple[str, ...] = ()


class Existing(msgspec.Struct, frozen=True):
    """The key's live run is the answer."""

    run: str


def admit(
    definition: Definition, record: KeyRecord, *, key: str, on_conflict: OnConflict
) -> Admitted | Existing | Refused:
    """Whether a key may start: a predicate over its live runs, then over its ended ones."""
    conflicts = [run for run in record.live() if _conflicts(definition, run)]
    if conflicts:
        match on_conflict:
            case "return_existing":
                return Existing(conflicts[0].run)
            case "terminate_existing":
                return _used(definition, record, key=key) or _terminate(definition, conflicts, key=key)
            case "reject":
                message = f"{key} is already running (run {conflicts[0].run}); resume or cancel it, or use another id"
                return Refused("already_running", message)
    if len(record.live()) >= MAX_LIVE_RUNS:
        return Refused("too_many_runs", f"{key} has {MAX_LIVE_RUNS} live runs; use more ids")
    return _used(definition, record, key=key) or Admitted()


def _terminate(definition: Definition, conflicts: list[Run], *, key: str) -> Admitted | Refused:
    own = [run for run in conflicts if _same(definition, run, definition.scope)]
    if definition.reuse == "never" and own:
        message = f"{key} is running (run {own[0].run}), and {definition.name} has reuse='never'; use another id"
        return Refused("already_running", message)
    return Admitted(tuple(run.run for run in conflicts))


def _used(definition: Definition, record: KeyRecord, *, key: str) -> Refused | None:
    """Why an ended key may not start again."""
    former = [run for run in record.runs if run.ended is not None and _same(definition, run, definition.scope)]
    if definition.reuse == "never" and former:
        message = (
            f"{key} has run before (run {former[-1].run}), and {definition.name} has reuse='never'; use another id"
        )
        return Refused("key_used", message)
    if definition.reuse == "after_failure" and any(run.ended == "completed" for run in former):
        message = f"{key} is completed; {definition.name} may start again only after a failure; use another id"
        return Refused("key_used", message)
    return None


def find_run(record: KeyRecord, *, key: str, workflow: str, run: str | None, version: int | None) -> Run | Refused:
    """The run that a command means: the one it names, else the only live one."""
    fitting = [
        each
        for each in record.runs
        if each.workflow == workflow and run in {None, each.run} and version in {None, each.version}
    ]
    live = [each for each in fitting if each.ended is None]
    if len(live) == 1:
        return live[0]
    if live:
        names = ", ".join(f"{each.run} (version {each.version})" for each in live[:10])
        return Refused("ambiguous", f"{key} has {len(live)} live runs: {names}; name one with run")
    if fitting:
        return Refused("ended", f"{key} has ended ({fitting[-1].ended}); start it again")
    wanted = f"run {run}" if run is not None else "run" if version is None else f"run of version {version}"
    others = [f"{each.run} ({each.workflow}, version {each.version})" for each in record.runs[-10:]]
    hint = f"it has {', '.join(others)}" if others else "start it first, or look at the spelling of the id"
    return Refused("not_found", f"{key} has no {wanted} of {workflow}; {hint}")


def _conflicts(definition: Definition, run: Run) -> bool:
    """Whether either of the two claims the key for itself."""
    return _same(definition, run, definition.scope) or _same(definition, run, run.scope)


def _same(definition: Definition, run: Run, scope: Scope) -> bool:
    match scope:
        case "none":
            return False
        case "global":
            return True
        case "workflow":
            return run.workflow == definition.name
        case "version":
            return (run.workflow, run.version) == (definition.name, definition.version)
