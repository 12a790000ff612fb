"""What a step can say: its events, and the outcomes that carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Generic, Self, TypeAlias, TypeVar, cast, overload

from pydantic import TypeAdapter

from hephaestus_stream.core.location import caller
from hephaestus_stream.core.node import EventOfNode, Node
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.transition import Route, Transition
from hephaestus_stream.errors import StepDefinitionError

PayloadT = TypeVar("PayloadT")
ContextT = TypeVar("ContextT")
LabelT = TypeVar("LabelT", bound=str | Enum)


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event with its payload and metadata: how a step ends.

    Attributes:
        event: The event's name.
        source: The `Event` object itself: its identity says whose event it is. (As an `Event` by type it would be
            read as a descriptor.)
        payload: An instance of the event's model, or None for an event without one.
        metadata: Anything that JSON can hold, for the step's result.
    """

    event: str
    source: object
    payload: object = None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Suspend:
    """The step goes on when one of its external events arrives, or when its time is over.

    Attributes:
        timeout: How long it waits, counted from the moment the outcome is recorded.
        until: The instant at which it stops waiting; give this or `timeout`, or neither to wait for ever.
        otherwise: The outcome when the time is over; without it a timeout is a failed attempt, and is retried.
    """

    timeout: timedelta | None = None
    until: datetime | None = None
    otherwise: Emitted | None = None

    def __post_init__(self) -> None:
        wrong = next(_problems(self), None)
        if wrong is not None:
            where = caller(outside=frozenset({__name__}))
            raise StepDefinitionError(problem(Rule.BAD_SUSPEND, where, what=wrong[0], remedy=wrong[1]))


def _problems(suspend: Suspend) -> Iterator[tuple[str, str]]:
    """What is wrong with a suspension, and the way out; the types are what a checker would find."""
    timeout, until, otherwise = cast(
        "tuple[object, object, object]", (suspend.timeout, suspend.until, suspend.otherwise)
    )
    if not isinstance(timeout, timedelta | None):
        yield f"Suspend(timeout={timeout!r}) has no duration", "give a timedelta, as timedelta(days=2)"
    if not isinstance(until, datetime | None):
        yield f"Suspend(until={until!r}) has no instant", "give an aware datetime, as datetime.now(UTC)"
    elif until is not None and until.tzinfo is None:
        yield f"Suspend(until={until!r}) has no time zone", "give an aware datetime, as datetime.now(UTC)"
    if not isinstance(otherwise, Emitted | None):
        yield f"Suspend(otherwise={otherwise!r}) is no outcome", "call an event of the step, as self.expired()"
    if timeout is not None and until is not None:
        yield "Suspend has both timeout= and until=", "give one of the two"
    if otherwise is not None and timeout is None and until is None:
        yield "Suspend(otherwise=...) never happens", "say when, with timeout= or until="


Outcome: TypeAlias = Emitted | Suspend
"""What `execute` returns; the third way to end is an exception."""


class Event(EventOfNode, Generic[PayloadT]):
    """One way in which a step can end, declared as a class attribute.

    Args:
        model: The payload's type: a pydantic model or anything else that pydantic can validate. It becomes the
            step's result. Without it the event carries nothing.
        external: Whether outsiders may send the event, by a resume command.
    """

    @overload
    def __init__(self: Event[None], *, external: bool = False) -> None: ...
    @overload
    def __init__(self, model: type[PayloadT], *, external: bool = False) -> None: ...
    def __init__(self, model: type[PayloadT] | None = None, *, external: bool = False) -> None:
        self.name = ""
        self.owner: type | None = None
        self.model = model
        self.external = external
        self._adapter: TypeAdapter[PayloadT] | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        # A second name is refused by the step class: Python 3.11 wraps what is raised here into a RuntimeError.
        self.name = self.name or name
        self.owner = self.owner or owner

    @overload
    def __get__(self, step: None, owner: type) -> Self: ...
    @overload
    def __get__(self, step: Node, owner: type) -> NodeEvent[PayloadT]: ...
    def __get__(self, step: Node | None, owner: type) -> Self | NodeEvent[PayloadT]:
        return self if step is None else NodeEvent(step, self)

    @overload
    def __call__(self: Event[None], *, metadata: Mapping[str, object] = ...) -> Emitted: ...
    @overload
    def __call__(self, payload: PayloadT, *, metadata: Mapping[str, object] = ...) -> Emitted: ...
    def __call__(self, payload: object = None, *, metadata: Mapping[str, object] | None = None) -> Emitted:
        """The outcome that carries this event."""
        return Emitted(self.name, self, payload, metadata or {})

    @property
    def adapter(self) -> TypeAdapter[PayloadT] | None:
        """Validates and writes payloads; None for an event without one. Built once: building is slow."""
        if self._adapter is None and self.model is not None:
            self._adapter = TypeAdapter(self.model)
        return self._adapter

    # Checkers refuse the line by themselves; with this they would take it for right.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Says what is missing where a step's class stands in place of a node: `check = Check`."""
            owner = vars(self).get("owner")
            if owner is None or name.startswith("_"):  # copies and pickles ask for such names
                return object.__getattribute__(self, name)
            what = f"'{self.name}' is an event of the class {owner.__name__}, not of a node"
            raise AttributeError(f"{what}; write {owner.__name__}()", name=name, obj=self)

    def __repr__(self) -> str:
        return f"<Event {self.name}>"


class NodeEvent(Generic[PayloadT]):
    """An event of one node: what transitions start from, and what resume addresses."""

    __slots__ = ("event", "node")

    def __init__(self, node: Node, event: Event[PayloadT]) -> None:
        self.node = node
        self.event = event

    @overload
    def __call__(self: NodeEvent[None], *, metadata: Mapping[str, object] = ...) -> Emitted: ...
    @overload
    def __call__(self, payload: PayloadT, *, metadata: Mapping[str, object] = ...) -> Emitted: ...
    def __call__(self, payload: object = None, *, metadata: Mapping[str, object] | None = None) -> Emitted:
        """The outcome that carries this event: `return self.charged(payment)`."""
        return Emitted(self.event.name, self.event, payload, metadata or {})

    def to(self, *targets: Node) -> Transition:
        """When the event happens, `targets` come next; several of them are a fan-out."""
        return Transition.written_here(self.node, self.event.name, targets={None: targets})

    def route(self, choose: Callable[[ContextT], LabelT]) -> Route[LabelT]:
        """When the event happens, `choose` decides what comes next; its targets are declared by `Route.to`.

        Args:
            choose: A pure function of the context. Its return annotation, a `Literal` or an `Enum`, says which
                labels there are.
        """
        return Route(self.node, self.event.name, choose=cast("Callable[[object], LabelT]", choose))

    @property
    def name(self) -> str:
        """As commands and errors write it: `review.received`."""
        return f"{self.node.node_name}.{self.event.name}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NodeEvent):
            return NotImplemented
        twin = cast("NodeEvent[object]", other)
        return self.node is twin.node and self.event is twin.event

    def __hash__(self) -> int:
        return hash((id(self.node), id(self.event)))

    def __repr__(self) -> str:
        return f"<NodeEvent {self.name}>"
