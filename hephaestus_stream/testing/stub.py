"""What a test lets a node say instead of what its code would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec
from pydantic import BaseModel, ValidationError

from hephaestus_stream.core.context import Context
from hephaestus_stream.core.event import Emitted, Event, NodeEvent, Outcome, Suspend
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.step import Step, is_step
from hephaestus_stream.cycle.attempt import AttemptId
from hephaestus_stream.errors import SimulatorError
from hephaestus_stream.wire.problem import problems_of


class _Hanging(Enum):
    HANGS = "HANGS"


HANGS: Final = _Hanging.HANGS
"""As a stub: the attempt does not end by itself, but by its timeout, the end of its run, or a crash."""

# Whatever the step's configuration and input are: a function over these types is given here.
StubFunction: TypeAlias = Callable[[Instance, Any, Context[Any]], Outcome | Awaitable[Outcome]]
Stub: TypeAlias = Outcome | BaseException | StubFunction | Literal[_Hanging.HANGS]
"""An outcome, an exception, a function in place of `execute`, or `HANGS`."""


@dataclass(slots=True)
class _Stubbed:
    """What a node was told to say, and which attempt was given what."""

    node: Node
    stubs: list[Stub]
    given: dict[AttemptId, Stub] = field(default_factory=dict[AttemptId, Stub])

    def take(self, attempt: AttemptId) -> Stub:
        """What an attempt is to do: the next stub, and of the last as many as it takes."""
        if attempt not in self.given:
            self.given[attempt] = self.stubs.pop(0) if len(self.stubs) > 1 else self.stubs[0]
        return self.given[attempt]


class Stubs:
    """The stubs of a simulator's nodes.

    An attempt that runs again, because its worker was lost, is given the same stub again: a crash changes nothing of
    what the world would have said.
    """

    def __init__(self) -> None:
        # A node is kept with its stubs: another one at its address must not take them over.
        self._stubbed: dict[int, _Stubbed] = {}

    def put(self, node: Node, stubs: Sequence[Stub]) -> None:
        """Gives a node its stubs, in place of former ones.

        Raises:
            SimulatorError: The node's step could say no such thing.
        """
        __tracebackhide__ = True
        step = _checked(node)
        if not stubs:
            raise SimulatorError(f"the stub of {_name(node)} says nothing; give it an outcome or an exception")
        for stub in stubs:
            _check(step, stub)
        self._stubbed[id(node)] = _Stubbed(node, list(stubs))

    def drop(self, node: Node) -> None:
        """Gives a node its own code back."""
        __tracebackhide__ = True
        self._stubbed.pop(id(_checked(node)), None)

    def take(self, node: Node, attempt: AttemptId) -> Stub | None:
        """What an attempt of a node is to do; None where that is left to its code."""
        stubbed = self._stubbed.get(id(node))
        return None if stubbed is None else stubbed.take(attempt)


def _checked(node: object) -> Step[Any, Any]:
    __tracebackhide__ = True
    if not isinstance(node, Node):
        raise SimulatorError(f"{node!r} is no node; stub one of a workflow, as OrderFlow.charge")
    if not is_step(node):
        raise SimulatorError(f"{_name(node)} is an ending, which does nothing; stub the steps that lead to it")
    return node


def _check(node: Step[Any, Any], stub: object) -> None:
    __tracebackhide__ = True
    if stub is HANGS or isinstance(stub, BaseException):
        return
    if isinstance(stub, Emitted):
        _check_emitted(node, stub)
    elif isinstance(stub, Suspend):
        if stub.otherwise is not None:
            _check_emitted(node, stub.otherwise)
    elif isinstance(stub, Event | NodeEvent):
        name = cast("Event[object] | NodeEvent[object]", stub).name
        raise SimulatorError(f"the stub of {_name(node)} is the event {name} itself; call it, as {name}(...)")
    elif isinstance(stub, type) or not callable(stub):
        raise SimulatorError(
            f"the stub of {_name(node)} is {stub!r}; give an outcome, an exception object, a function or HANGS"
        )


def _check_emitted(node: Step[Any, Any], emitted: Emitted) -> None:
    """Refuses at the line of the stub what the worker would refuse when the node runs."""
    __tracebackhide__ = True
    events = node.events()
    event = events.get(emitted.event)
    if event is None or event is not emitted.source:
        owner = cast("Event[object]", emitted.source).owner
        whose = "" if owner is None else f" of {owner.__name__}"
        known = ", ".join(events)
        raise SimulatorError(
            f"the stub of {_name(node)} emits '{emitted.event}'{whose}, which is no event of it; it has {known}"
        )
    told = f"the stub of {_name(node)} emits '{emitted.event}'"
    try:
        msgspec.json.encode(dict(emitted.metadata))
    except (TypeError, ValueError) as error:
        raise SimulatorError(f"{told} with metadata that are not JSON: {error}") from None
    if event.adapter is None:
        if emitted.payload is not None:
            raise SimulatorError(f"{told} with a payload, but it carries nothing; leave the payload out")
        return
    model = getattr(event.model, "__name__", str(event.model))
    try:
        event.adapter.validate_python(emitted.payload)
    except ValidationError as error:
        given = "nothing" if emitted.payload is None else f"a {type(emitted.payload).__name__}"
        problems = problems_of(error, BaseModel)
        raise SimulatorError(f"{told}, which carries a {model}, with {given}: {problems}") from None


def _name(node: Node) -> str:
    return node.node_name if node.workflow_name is None else f"{node.workflow_name}.{node.node_name}"
