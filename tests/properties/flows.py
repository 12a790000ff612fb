"""Real workflow classes from blueprints: the classes that a user would have written."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, cast

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Failed,
    Instance,
    NodeEvent,
    Outcome,
    RetryPolicy,
    Step,
    Wait,
    WaitForEvent,
    Workflow,
)
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.transition import Transition
from tests.properties.blueprint import FAILING, Blueprint, Row, Spot, blueprint
from tests.properties.regions import Region

Plan = dict[str, int]
"""The start payload: the number of the label that each node's route chooses."""

PATIENCE = timedelta(hours=1)
PAUSE = timedelta(minutes=10)
MOST_ATTEMPTS = 3


class Declared(Step[object]):
    """A step that has as many of its events as its node needs; who runs it decides what it says."""

    retry = RetryPolicy(max_attempts=MOST_ATTEMPTS, initial_delay=timedelta(minutes=1), max_delay=timedelta(hours=1))

    def __init__(self, events: tuple[str, ...]) -> None:
        super().__init__()
        self.declared = events

    def events(self) -> Mapping[str, Event[Any]]:
        return {name: event for name, event in super().events().items() if name in self.declared}

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        raise NotImplementedError


class Work(Declared):
    """Nobody but the step itself says how it ends."""

    e0 = Event(str)
    e1 = Event(str)
    e2 = Event(str)
    extra = Event(str)


class Open(Declared):
    """Outsiders may send two of its events."""

    e0 = Event(str, external=True)
    e1 = Event(str)
    e2 = Event(str, external=True)
    extra = Event(str)


class OfTwo:
    """Chooses what the start payload says for its node."""

    def __init__(self, node: str) -> None:
        self.node = node

    def __call__(self, context: Context[Plan]) -> Literal["l0", "l1"]:
        return cast("Literal['l0', 'l1']", f"l{context.initial.get(self.node, 0)}")


class OfThree:
    """As above."""

    def __init__(self, node: str) -> None:
        self.node = node

    def __call__(self, context: Context[Plan]) -> Literal["l0", "l1", "l2"]:
        return cast("Literal['l0', 'l1', 'l2']", f"l{context.initial.get(self.node, 0)}")


def node_of(spot: Spot) -> Step[Any, Any]:
    match spot.kind:
        case "work":
            return Work(spot.events)
        case "open":
            return Open(spot.events)
        case "wait":
            return Wait(PAUSE)
        case "signal":
            return WaitForEvent(str)
        case "patient":
            return WaitForEvent(str, timeout=PATIENCE)


def ending_of(name: str, *, interrupts: bool) -> Node:
    return Failed(name) if name in FAILING else Done(interrupts=interrupts)


def nodes_of(plan: Blueprint) -> dict[str, Node]:
    """The objects of a class body."""
    steps: dict[str, Node] = {name: node_of(spot) for name, spot in plan.steps.items()}
    return steps | {name: ending_of(name, interrupts=interrupts) for name, interrupts in plan.endings.items()}


def transition(nodes: Mapping[str, Node], row: Row) -> Transition:
    """A row of the table."""
    event = cast("NodeEvent[object]", getattr(nodes[row.source], row.event))
    targets = {label: tuple(nodes[name] for name in names) for label, names in row.targets.items()}
    if None in targets:
        return event.to(*targets[None])
    by_label = {cast("Any", label): following for label, following in targets.items()}
    if len(targets) == 2:
        return event.route(OfTwo(row.source)).to(by_label)
    return event.route(OfThree(row.source)).to(by_label)


def written(
    nodes: Mapping[str, Node], body: Mapping[str, object], keywords: Mapping[str, object], *, reads: object = Plan
) -> type[Workflow[Any]]:
    """The class with this body, or what its creation raises."""

    def fill(namespace: dict[str, object]) -> None:
        namespace.update(nodes)
        namespace.update(body)

    base = cast("Any", Workflow)[reads]
    return cast("type[Workflow[Any]]", types.new_class("Random", (base,), dict(keywords), fill))


def build(plan: Blueprint) -> type[Workflow[Any]]:
    """The class of a blueprint."""
    nodes = nodes_of(plan)
    table = tuple(transition(nodes, row) for row in plan.rows)
    return written(nodes, {"start": nodes[plan.start], "transitions": table}, {"key": "random"})


def workflow(region: Region) -> Definition:
    """The class of a region, compiled."""
    return build(blueprint(region)).definition
