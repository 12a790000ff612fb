"""A workflow as the engine and its surroundings use it: checked and compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from functools import cached_property
from typing import Any, Literal, cast

from pydantic import TypeAdapter

from hephaestus_stream.core.ending import Ending
from hephaestus_stream.core.event import Event
from hephaestus_stream.core.graph import Edge, Graph
from hephaestus_stream.core.location import Location
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.retry import DEFAULT_RETRY, RetryPolicy
from hephaestus_stream.core.step import is_step
from hephaestus_stream.core.transition import Transition

Scope = Literal["workflow", "version", "global", "none"]
Reuse = Literal["always", "after_failure", "never"]


@dataclass(frozen=True)
class Draft:
    """What a workflow class says, before anybody has looked whether it makes sense.

    Attributes:
        class_name: The name of the class, for messages.
        input_type: The `Order` of `Workflow[Order]`; a TypeVar where it was left out.
        nodes: The class's nodes by attribute.
        start: Whatever stands under `start`, or None.
        transitions: Whatever stands under `transitions`, or None.
        key: The prefix of its business keys, or None.
        location: The class statement.
        shadowed: Reserved names that something else than a node stands under.
        unknown: Keywords of the class statement that there are none of.
    """

    class_name: str
    input_type: Any
    nodes: dict[str, Node]
    start: object
    transitions: object
    location: Location
    doc: str
    key: str | None
    scope: Scope
    name: str
    version: int
    current: bool
    tags: tuple[str, ...]
    metadata: Mapping[str, object]
    retry: RetryPolicy | None
    reuse: Reuse
    retention: timedelta | None
    shadowed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def name_of(self, node: Node) -> str:
        """The attribute that holds a node, or a description of a node that is none of the class's."""
        return self._names.get(id(node)) or node.node_name

    def owns(self, node: object) -> bool:
        """Whether something is a node of the class."""
        return id(node) in self._names

    @cached_property
    def table(self) -> tuple[object, ...] | None:
        """Whatever the rows of the table are; None where there is no table."""
        table = self.transitions
        return cast("tuple[object, ...]", table) if isinstance(table, tuple) else None

    @cached_property
    def rows(self) -> tuple[Transition, ...]:
        """The transitions from the class's own nodes, foreign targets left out; the others are reported."""
        return tuple(
            replace(row, targets={label: self._own(nodes) for label, nodes in row.targets.items()})
            for row in self.table or ()
            if isinstance(row, Transition) and self.owns(row.source)
        )

    @cached_property
    def graph(self) -> Graph:
        """The graph as far as it can be made out; `start` is empty where there is none."""
        edges = (
            Edge(self.name_of(row.source), row.event, label, self.name_of(target))
            for row in self.rows
            for label, targets in row.targets.items()
            for target in targets
        )
        return Graph(
            start=self._names.get(id(self.start), ""),
            nodes=tuple(name for name, node in self.nodes.items() if self.name_of(node) == name),
            edges=tuple(dict.fromkeys(edges)),
            endings={name: node.interrupts for name, node in self.nodes.items() if isinstance(node, Ending)},
        )

    @cached_property
    def _names(self) -> Mapping[int, str]:
        # Backwards, so that of two names for one object the first counts.
        return {id(node): name for name, node in reversed(self.nodes.items())}

    def _own(self, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(node for node in nodes if self.owns(node))


@dataclass(frozen=True)
class Definition:
    """A checked workflow: everything about it that does not change while it runs.

    Attributes:
        name: The stored name.
        key: The prefix of its business keys, as `orderid`.
        graph: Nodes and edges by name.
        nodes: The nodes by name.
        routes: The routing functions by node and event.
        labels: The labels that each route declares, by node and event.
        input_type: The type of the start payload.
        current: Whether starts that name no version may take this one.
        retention: How long a finished run is kept; None leaves it to the worker.
        doc: The class's docstring.
        class_name: The name of the class.
        module: The module that the class was made in.
        qualname: Where in it the class is, as `OrderFlow`.
    """

    name: str
    version: int
    current: bool
    key: str
    scope: Scope
    reuse: Reuse
    retention: timedelta | None
    tags: tuple[str, ...]
    metadata: Mapping[str, object]
    retry: RetryPolicy | None
    graph: Graph
    nodes: Mapping[str, Node]
    input_type: Any
    class_name: str
    doc: str
    location: Location
    routes: Mapping[tuple[str, str], Callable[[object], str | Enum]] = field(
        default_factory=dict[tuple[str, str], Callable[[object], str | Enum]]
    )
    labels: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict[tuple[str, str], frozenset[str]])
    module: str = ""
    qualname: str = ""

    @cached_property
    def events(self) -> Mapping[str, Mapping[str, Event[Any]]]:
        """The events of each step node, by node and event name."""
        return {name: node.events() for name, node in self.nodes.items() if is_step(node)}

    @cached_property
    def input_adapter(self) -> TypeAdapter[Any]:
        """Validates and writes start payloads; built once: building is slow."""
        return TypeAdapter(self.input_type)

    def retry_of(self, node: str) -> RetryPolicy:
        """The policy that a node obeys: its step's, else the workflow's, else the library's."""
        step = self.nodes[node]
        own = step.retry if is_step(step) else None
        return own or self.retry or DEFAULT_RETRY

    def external_nodes(self, event: str) -> tuple[str, ...]:
        """The nodes that have an external event of this name."""
        return tuple(node for node, events in self.events.items() if event in events and events[event].external)
