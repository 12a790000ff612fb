"""What a worker and the processes of its steps tell each other: frames of msgpack over a socket."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from importlib import import_module
from typing import Final

import msgspec

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.state import State
from hephaestus_stream.core.step import is_step
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId
from hephaestus_stream.errors import PermanentError, WorkflowNotFoundError
from hephaestus_stream.telemetry.whereabouts import Whereabouts

HEADER: Final = struct.Struct("!I")
"""Before each frame: how many bytes it has."""


class Place(msgspec.Struct, frozen=True):
    """Where a workflow class is imported from, and which it must be."""

    module: str
    qualname: str
    name: str
    version: int


class Load(msgspec.Struct, frozen=True, tag=True):
    """Import a workflow; answered by a `Report`, without an end if it went well."""

    place: Place


class Execute(msgspec.Struct, frozen=True, tag=True):
    """Execute an attempt; answered by a `Report`."""

    place: Place
    state: State
    node: str
    number: int
    whereabouts: Whereabouts


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Nobody wants the outcome of what is being executed; not answered."""


Order = Load | Execute | Stop


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of an order."""

    emitted: StepEmitted | None = None
    suspended: StepSuspended | None = None
    failed: StepFailed | None = None
    refused: str | None = None

    @classmethod
    def of(cls, end: AttemptEnd) -> Report:
        """An attempt has ended."""
        match end:
            case StepEmitted():
                return cls(emitted=end)
            case StepSuspended():
                return cls(suspended=end)
            case StepFailed():
                return cls(failed=end)

    @property
    def end(self) -> AttemptEnd:
        """How the attempt ended.

        Raises:
            PermanentError: The process cannot execute it, now or ever.
        """
        end = self.emitted or self.suspended or self.failed
        if end is None:
            raise PermanentError(self.refused or "a process of steps answered nothing")
        return end


def frame(content: Order | Report) -> bytes:
    """An order or a report with its header."""
    body = msgspec.msgpack.encode(content)
    return HEADER.pack(len(body)) + body


def place_of(definition: Definition) -> Place:
    """Where a process finds a workflow.

    Raises:
        WorkflowNotFoundError: It finds it nowhere.
    """
    module, qualname = definition.module, definition.qualname
    place = Place(module, qualname, definition.name, definition.version)
    if module == "__main__":
        raise _hidden(definition, "it is in the program that was started")
    try:
        found = find(place)
    except Exception as error:
        raise _hidden(definition, f"{type(error).__name__}: {error}") from error
    if found is not definition:
        raise _hidden(definition, f"{module}.{qualname} is another class")
    return place


def require_places(definitions: Iterable[Definition]) -> None:
    """Refuses workflows with steps in processes that a process could not import.

    Raises:
        WorkflowNotFoundError: There is such a one.
    """
    for definition in definitions:
        if any(is_step(node) and node.runs_in() == "process" for node in definition.nodes.values()):
            place_of(definition)


def find(place: Place) -> Definition:
    """Imports a workflow.

    Raises:
        ImportError: There is no such module.
        AttributeError: The module has no such class.
        WorkflowNotFoundError: The class is another workflow, or another version.
    """
    found: object = import_module(place.module)
    for name in place.qualname.split("."):
        found = getattr(found, name)
    definition: object = getattr(found, "definition", None)
    if not isinstance(definition, Definition) or (definition.name, definition.version) != (place.name, place.version):
        raise WorkflowNotFoundError(
            f"{place.module}.{place.qualname} is not version {place.version} of {place.name}; "
            "if its code has changed since the worker began, restart the worker"
        )
    return definition


def attempt_of(order: Execute) -> Attempt:
    """The attempt that an order is about; raises as `find` does."""
    state = order.state
    return Attempt(AttemptId(state.key, state.run, order.node, order.number), find(order.place), state)


def _hidden(definition: Definition, why: str) -> WorkflowNotFoundError:
    return WorkflowNotFoundError(
        f"{definition.class_name} ({definition.location}) has a step with runner = 'process', and no process can "
        f"import it ({why}); define it at the top level of a module that can be imported"
    )
