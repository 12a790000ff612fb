"""Rules about the table of transitions: who is connected to whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from itertools import chain
from typing import cast

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.problem import note, problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.step import is_step
from hephaestus_stream.core.transition import Route, Transition
from hephaestus_stream.errors import Problem


def check(draft: Draft) -> Iterator[Problem]:
    """A missing start or table, nodes of another class, events that lead nowhere or are wired twice."""
    yield from _start(draft)
    yield from _nodes(draft)
    yield from _table(draft)
    yield from _missing_targets(draft)
    yield from _events(draft)


def _start(draft: Draft) -> Iterator[Problem]:
    if draft.start is None:
        yield problem(
            Rule.MISSING_START,
            draft.location,
            what=f"{draft.class_name} has no start",
            remedy=f"say where it begins: start = {_first_node(draft)}",
        )
    elif not isinstance(draft.start, Node):
        yield problem(
            Rule.BAD_START,
            draft.location,
            what=f"start is {draft.start!r}, which is no node",
            remedy=f"name a node of the class, without quotes: start = {_first_node(draft)}",
        )
    elif not draft.owns(draft.start):
        yield problem(
            Rule.UNNAMED_START,
            draft.start.location,
            what=f"start is {type(draft.start).__name__}(...), which has no name in {draft.class_name}",
            remedy=f"give it one: first = {type(draft.start).__name__}(...), then start = first",
        )


def _first_node(draft: Draft) -> str:
    meant = draft.start if isinstance(draft.start, str) and draft.start in draft.nodes else None
    return meant or next(iter(draft.nodes), "first")


def _nodes(draft: Draft) -> Iterator[Problem]:
    for name, count in Counter(draft.name_of(node) for node in draft.nodes.values()).items():
        if count > 1:
            twins = [other for other, node in draft.nodes.items() if node is draft.nodes[name]]
            yield problem(
                Rule.SAME_NODE,
                draft.nodes[name].location,
                what=f"{' and '.join(twins)} are one and the same object",
                remedy=f"make an object for each: {twins[-1]} = {type(draft.nodes[name]).__name__}(...)",
            )
    for name, node in draft.nodes.items():
        if node.workflow_name is not None:
            yield problem(
                Rule.SHARED_NODE,
                draft.location,
                what=f"{name} already stands in {node.workflow_name}, as {node.node_name}",
                remedy=f"make a new object for {draft.class_name}: {name} = {type(node).__name__}(...)",
                notes=(note("the object is made here", node.location),),
            )


def _table(draft: Draft) -> Iterator[Problem]:
    if draft.transitions is None:
        yield problem(
            Rule.MISSING_TRANSITIONS,
            draft.location,
            what=f"{draft.class_name} has no transitions",
            remedy="write the graph as a table: transitions = (first.done.to(second), ...)",
        )
    elif draft.table is None:
        yield problem(
            Rule.BAD_TRANSITIONS,
            draft.location,
            what=f"transitions is a {type(draft.transitions).__name__}",
            remedy="write a tuple; one row alone needs a comma behind it: transitions = (first.done.to(second),)",
        )
    for row in draft.table or ():
        if isinstance(row, Transition):
            yield from _foreign_nodes(draft, row)
        else:
            yield problem(
                Rule.UNFINISHED_ROW,
                draft.location,
                what=f"transitions holds {_unfinished(draft, row)}, which leads nowhere",
                remedy="finish the row: node.event.to(...), or node.event.route(choose).to({...})",
            )


def _unfinished(draft: Draft, row: object) -> str:
    """What stands in place of a row, as the user wrote it where that can be told."""
    match row:
        case NodeEvent():
            event = cast("NodeEvent[object]", row)
            return f"{draft.name_of(event.node)}.{event.event.name}"
        case Route():
            route = cast("Route[str]", row)
            return f"{draft.name_of(route.source)}.{route.event}.route(...)"
        case _:
            return repr(row)


def _foreign_nodes(draft: Draft, row: Transition) -> Iterator[Problem]:
    # What a type checker was not asked about may be anything.
    targets = cast("Iterator[object]", chain.from_iterable(row.targets.values()))
    for verb, node in (("starts from", row.source), *(("leads to", target) for target in targets)):
        if not isinstance(node, Node):
            yield problem(
                Rule.BAD_TARGET,
                row.location,
                what=f"{_row(draft, row)} leads to {node!r}, which is no node",
                remedy="name nodes of the class, a fan-out of a route as a tuple: {'label': (one, other)}",
            )
        elif not draft.owns(node):
            yield problem(
                Rule.FOREIGN_NODE,
                row.location,
                what=f"{_row(draft, row)} {verb} {_description(node)}, which is no node of {draft.class_name}",
                remedy=f"make it an attribute of the class: name = {type(node).__name__}(...)",
            )


def _description(node: Node) -> str:
    return node.node_name if node.workflow_name is None else f"{node.workflow_name}.{node.node_name}"


def _events(draft: Draft) -> Iterator[Problem]:
    if draft.table is None:  # then all of them lead nowhere, which is said already
        return
    wired: dict[tuple[str, str], list[Transition]] = defaultdict(list)
    for row in draft.rows:
        wired[draft.name_of(row.source), row.event].append(row)
    for row in draft.rows:
        first, *others = wired[draft.name_of(row.source), row.event]
        if row is first and others:
            yield problem(
                Rule.REWIRED_EVENT,
                row.location,
                what=f"{_row(draft, row)} is wired {'twice' if len(others) == 1 else f'{len(others) + 1} times'}",
                remedy="name all targets in one row: .to(one, other)",
                notes=tuple(note("wired again here", other.location) for other in others),
            )
        yield from _repeated_targets(draft, row)
    yield from _unwired(draft, wired)


def _unwired(draft: Draft, wired: Container[tuple[str, str]]) -> Iterator[Problem]:
    for name, node in draft.nodes.items():
        for event in node.events() if is_step(node) and draft.name_of(node) == name else ():
            if (name, event) not in wired:
                yield problem(
                    Rule.UNWIRED_EVENT,
                    node.location,
                    what=f"{name}.{event} leads nowhere",
                    remedy=f"{type(node).__name__} declares the event '{event}'; "
                    f"add {name}.{event}.to(...) to transitions",
                )


def _repeated_targets(draft: Draft, row: Transition) -> Iterator[Problem]:
    for label, targets in row.targets.items():
        for name, count in Counter(draft.name_of(target) for target in targets).items():
            if count > 1:
                yield problem(
                    Rule.REPEATED_TARGET,
                    row.location,
                    what=f"{_place(draft, row, label)} leads to {name} twice",
                    remedy="name it once",
                )


def _missing_targets(draft: Draft) -> Iterator[Problem]:
    for row in draft.table or ():
        if isinstance(row, Transition):
            empty = [label for label, nodes in row.targets.items() if not nodes] if row.targets else [None]
            for label in empty:
                yield problem(
                    Rule.MISSING_TARGET,
                    row.location,
                    what=f"{_place(draft, row, label)} leads to no node",
                    remedy="name the node that comes next, or the ending",
                )


def _place(draft: Draft, row: Transition, label: str | None) -> str:
    return _row(draft, row) + ("" if label is None else f"[{label}]")


def _row(draft: Draft, row: Transition) -> str:
    return f"{draft.name_of(row.source)}.{row.event}"
