"""Which runs a key may have: uniqueness, reuse of an ended key, and the run that a command means."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import msgspec

from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.definition import Definition, Scope
from hephaestus_stream.core.limits import MAX_ENDED_RUNS, MAX_LIVE_RUNS
from hephaestus_stream.core.state import EndStatus, State

OnConflict = Literal["reject", "return_existing", "terminate_existing"]


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """One life of a key, as the key remembers it; `ended` is None while it lives.

    Scope and retention are those of its workflow: a worker that lacks it must be able to end the run.
    """

    run: str
    workflow: str
    version: int
    scope: Scope
    ended: EndStatus | None = None
    retention: timedelta | None = None


class KeyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a key: its runs, and how many commands it has been sent."""

    runs: tuple[Run, ...] = ()
    commands: int = 0

    def find(self, run: str) -> Run | None:
        """A run that the key remembers."""
        return next((each for each in self.runs if each.run == run), None)

    def with_run(self, state: State, *, scope: Scope | None, retention: timedelta | None = None) -> KeyRecord:
        """The record after a run began or changed; without scope and retention it keeps those that it had."""
        others: list[Run] = []
        for run in self.runs:
            if run.run != state.run:
                others.append(run)
                continue
            scope, retention = scope or run.scope, retention or run.retention
            if (run.version, run.scope, run.ended) == (state.version, scope, state.ending):
                return self
        run = Run(state.run, state.workflow, state.version, scope or "workflow", state.ending, retention)
        return msgspec.structs.replace(self, runs=_remembered((*others, run)))

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
                return _running(conflicts[0], key=key)
    return _crowded(record, key=key) or _used(definition, record, key=key) or Admitted()


def conflicting(definition: Definition, record: KeyRecord, *, key: str, besides: str) -> Refused | None:
    """Why a live run may not come under another definition: a further live run claims the key."""
    conflicts = [run for run in record.live() if run.run != besides and _conflicts(definition, run)]
    return _running(conflicts[0], key=key) if conflicts else None


def readmit(definition: Definition, record: KeyRecord, *, key: str, run: str) -> Refused | None:
    """Why an ended run may not live again: another one claims the key now, or has done its work."""
    others = record.without_run(run)
    conflict = conflicting(definition, others, key=key, besides=run)
    if conflict is not None:
        return conflict
    return _crowded(others, key=key) or _used(definition, others, key=key)


def _crowded(record: KeyRecord, *, key: str) -> Refused | None:
    if len(record.live()) < MAX_LIVE_RUNS:
        return None
    return Refused("too_many_runs", f"{key} has {MAX_LIVE_RUNS} live runs; use more ids")


def _running(run: Run, *, key: str) -> Refused:
    message = f"{key} is already running (run {run.run}); resume or cancel it, or use another id"
    return Refused("already_running", message, run.run)


def _remembered(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The runs without the oldest ended ones, where there are too many; `reuse` is decided by those that stay."""
    if len(runs) <= MAX_ENDED_RUNS:
        return runs
    surplus = sum(run.ended is not None for run in runs) - MAX_ENDED_RUNS
    if surplus <= 0:
        return runs
    # Of each workflow and version the newest of each ending says all that older ones would.
    newest = {(run.workflow, run.version, run.ended): run.run for run in runs}
    spare = [run.run for run in runs if run.ended is not None and run.run not in newest.values()]
    forgotten = set(spare[:surplus])
    return tuple(run for run in runs if run.run not in forgotten)


def _terminate(definition: Definition, conflicts: list[Run], *, key: str) -> Admitted | Refused:
    own = [run for run in conflicts if _same(definition, run, definition.scope)]
    if definition.reuse == "never" and own:
        message = f"{key} is running (run {own[0].run}), and {definition.name} has reuse='never'; use another id"
        return Refused("already_running", message, own[0].run)
    return Admitted(tuple(run.run for run in conflicts))


def _used(definition: Definition, record: KeyRecord, *, key: str) -> Refused | None:
    """Why an ended key may not start again."""
    former = [run for run in record.runs if run.ended is not None and _same(definition, run, definition.scope)]
    if definition.reuse == "never" and former:
        message = (
            f"{key} has run before (run {former[-1].run}), and {definition.name} has reuse='never'; use another id"
        )
        return Refused("key_used", message, former[-1].run)
    completed = [run for run in former if run.ended == "completed"]
    if definition.reuse == "after_failure" and completed:
        message = f"{key} is completed; {definition.name} may start again only after a failure; use another id"
        return Refused("key_used", message, completed[-1].run)
    return None


def find_run(
    record: KeyRecord, *, key: str, workflow: str, run: str | None, version: int | None, ended: bool = False
) -> Run | Refused:
    """The run that a command means: the one it names, else the only live one.

    Args:
        record: What is kept of the key.
        key: The key.
        workflow: The workflow's name.
        run: The run, where the command names it.
        version: Its version, where the command names that.
        ended: Whether a run may be meant that has ended: the last one, where none lives.
    """
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
    if fitting and ended:
        return fitting[-1]
    if fitting:
        return Refused("ended", f"{key} has ended ({fitting[-1].ended}); only a start gives it a further run")
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
