"""Real workflow classes from regions."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Literal, cast

from hephaestus_stream import Context, Done, Event, Failed, Instance, NodeEvent, Outcome, Step, Workflow
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.transition import Transition
from tests.properties.regions import EXITS, Arms, Choice, Exit, Finish, Jump, Leave, Place, Region, all_places


class Work(Step[object]):
    """A step with as many of its events as its node needs."""

    e0 = Event(external=True)
    e1 = Event(external=True)
    e2 = Event(external=True)
    e3 = Event(external=True)

    def __init__(self, events: int) -> None:
        super().__init__()
        self.count = events

    def events(self) -> dict[str, Event[None]]:
        every = {"e0": Work.e0, "e1": Work.e1, "e2": Work.e2, "e3": Work.e3}
        return dict(list(every.items())[: self.count])

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        raise NotImplementedError


def of_two(context: Context[object]) -> Literal["l0", "l1"]:
    raise NotImplementedError


def of_three(context: Context[object]) -> Literal["l0", "l1", "l2"]:
    raise NotImplementedError


def workflow(region: Region) -> Definition:
    """The class that a user would have written for a region, compiled."""
    nodes: dict[str, Node] = {
        "done": Done(),
        "early": Done(),
        "refused": Failed("refused"),
        "undone": Failed("undone"),
        "stopped": Done(interrupts=True),
    }
    for place in all_places(region):
        nodes[place.name] = Work(1 if place.routed else len(place.choices))
    for way_out in EXITS.values():
        nodes |= {step: Work(1) for step in way_out.steps}
    rows = tuple(row for each in (rows_of_region(nodes, region, onward="done"), *map_exits(nodes)) for row in each)
    return compiled(nodes, rows, start=region.places[0].name)


def compiled(nodes: dict[str, Node], rows: tuple[Transition, ...], *, start: str) -> Definition:
    """The class of what can be reached from the start."""
    names = {id(node): name for name, node in nodes.items()}
    used = {start}
    frontier = [start]
    for name in frontier:
        targets = (row.targets.values() for row in rows if row.source is nodes[name])
        fresh = {names[id(node)] for tuples in targets for each in tuples for node in each} - used
        used |= fresh
        frontier.extend(sorted(fresh))

    def body(namespace: dict[str, object]) -> None:
        namespace |= {name: node for name, node in nodes.items() if name in used}
        namespace["start"] = nodes[start]
        namespace["transitions"] = tuple(row for row in rows if names[id(row.source)] in used)

    made = types.new_class("Random", (Workflow[None],), {"key": "random"}, body)
    return cast("type[Workflow[None]]", made).definition


def map_exits(nodes: dict[str, Node]) -> Iterator[Iterator[Transition]]:
    for way_out in EXITS.values():
        yield rows_of_exit(nodes, way_out)


def rows_of_exit(nodes: dict[str, Node], way_out: Exit) -> Iterator[Transition]:
    for step in way_out.steps:
        yield event_of(nodes, step, 0).to(nodes[way_out.after(step)])


def rows_of_region(nodes: dict[str, Node], region: Region, *, onward: str) -> Iterator[Transition]:
    for index, place in enumerate(region.places):
        # What a choice may lead to: the next nodes of the region, and then where the region goes out.
        following = [*(later.name for later in region.places[index + 1 :]), onward]
        targets = [tuple(nodes[name] for name in targets_of(choice, following)) for choice in place.choices]
        yield from rows_of_place(nodes, place, targets)
        for choice in place.choices:
            if isinstance(choice, Arms):
                for arm in choice.regions:
                    yield from rows_of_region(nodes, arm, onward=following[0])


def rows_of_place(nodes: dict[str, Node], place: Place, targets: list[tuple[Node, ...]]) -> Iterator[Transition]:
    if not place.routed:
        for number, following in enumerate(targets):
            yield event_of(nodes, place.name, number).to(*following)
    elif len(targets) == 2:
        yield event_of(nodes, place.name, 0).route(of_two).to({"l0": targets[0], "l1": targets[1]})
    else:
        yield event_of(nodes, place.name, 0).route(of_three).to({"l0": targets[0], "l1": targets[1], "l2": targets[2]})


def targets_of(choice: Choice, following: list[str]) -> tuple[str, ...]:
    match choice:
        case Arms(regions=arms):
            return tuple(arm.places[0].name if arm.places else following[0] for arm in arms)
        case Jump(over=over):
            return (following[over],)
        case Leave(exit_name=exit_name):
            return (EXITS[exit_name].first,)
        case Finish(ending=ending):
            return (ending,)


def event_of(nodes: dict[str, Node], name: str, number: int) -> NodeEvent[None]:
    node = nodes[name]
    assert isinstance(node, Work)
    return (node.e0, node.e1, node.e2, node.e3)[number]
