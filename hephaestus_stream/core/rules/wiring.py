"""Rules about the table of transitions: who is connected to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import cast

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.rules.problem import problem
from hephaestus_stream.core.step import is_step
from hephaestus_stream.core.transition import Transition
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
        first = next(iter(draft.nodes), "first")
        yield problem(f"{draft.class_name} has no start", draft.location, f"say where it begins: start = {first}")
    elif not isinstance(draft.start, Node):
        yield problem(
            f"start is {draft.start!r}, which is no node", draft.location, "name a node of the class: start = first"
        )
    elif not draft.owns(draft.start):
        yield problem(
            "start is no node with a name of this class",
            draft.start.location,
            f"give it one: first = {type(draft.start).__name__}(...), then start = first",
        )


def _nodes(draft: Draft) -> Iterator[Problem]:
    for name, count in Counter(draft.name_of(node) for node in draft.nodes.values()).items():
        if count > 1:
            twins = [other for other, node in draft.nodes.items() if node is draft.nodes[name]]
            yield problem(
                f"{' and '.join(twins)} are one and the same object",
                draft.nodes[name].location,
                f"make an object for each: {twins[-1]} = {type(draft.nodes[name]).__name__}(...)",
            )
    for name, node in draft.nodes.items():
        if node.workflow_name is not None:
            yield problem(
                f"{name} already stands in {node.workflow_name}, as {node.node_name}",
                node.location,
                f"make a new object for {draft.class_name}: {name} = {type(node).__name__}(...)",
            )


def _table(draft: Draft) -> Iterator[Problem]:
    if draft.transitions is None:
        yield problem(
            f"{draft.class_name} has no transitions",
            draft.location,
            "write the graph as a table: transitions = (first.done.to(second), ...)",
        )
    elif draft.table is None:
        remedy = "write a tuple; one row alone needs a comma behind it: transitions = (first.done.to(second),)"
        yield problem(f"transitions is a {type(draft.transitions).__name__}", draft.location, remedy)
    for row in draft.table or ():
        if isinstance(row, Transition):
            yield from _foreign_nodes(draft, row)
        else:
            yield problem(
                f"transitions holds {row!r}, which leads nowhere",
                draft.location,
                "finish the row: node.event.to(...), or node.event.route(choose).to({...})",
            )


def _foreign_nodes(draft: Draft, row: Transition) -> Iterator[Problem]:
    # What a type checker was not asked about may be anything.
    targets = cast("Iterator[object]", chain.from_iterable(row.targets.values()))
    for node in (row.source, *targets):
        if not isinstance(node, Node):
            yield problem(
                f"{_row(draft, row)} leads to {node!r}, which is no node",
                row.location,
                "name nodes of the class, a fan-out of a route as a tuple: {'label': (one, other)}",
            )
        elif not draft.owns(node):
            yield problem(
                f"{_row(draft, row)} speaks of {node.node_name}, which is no node of {draft.class_name}",
                row.location,
                f"make it an attribute of the class: name = {type(node).__name__}(...)",
            )


def _events(draft: Draft) -> Iterator[Problem]:
    if draft.table is None:  # then all of them lead nowhere, which is said already
        return
    wired = Counter((draft.name_of(row.source), row.event) for row in draft.rows)
    for row in draft.rows:
        if wired[draft.name_of(row.source), row.event] > 1:
            wired[draft.name_of(row.source), row.event] = 1
            yield problem(
                f"{_row(draft, row)} is wired twice", row.location, "name all targets in one row: .to(one, other)"
            )
        yield from _repeated_targets(draft, row)
    for name, node in draft.nodes.items():
        for event in node.events() if is_step(node) else ():
            if (name, event) not in wired:
                yield problem(
                    f"{name}.{event} leads nowhere",
                    node.location,
                    f"{type(node).__name__} declares the event '{event}'; add {name}.{event}.to(...) to transitions",
                )


def _repeated_targets(draft: Draft, row: Transition) -> Iterator[Problem]:
    for label, targets in row.targets.items():
        for name, count in Counter(draft.name_of(target) for target in targets).items():
            if count > 1:
                yield problem(f"{_place(draft, row, label)} leads to {name} twice", row.location, "name it once")


def _missing_targets(draft: Draft) -> Iterator[Problem]:
    for row in draft.table or ():
        if isinstance(row, Transition):
            empty = [label for label, nodes in row.targets.items() if not nodes] if row.targets else [None]
            for label in empty:
                yield problem(f"{_place(draft, row, label)} leads to no node", row.location, "name at least one")


def _place(draft: Draft, row: Transition, label: str | None) -> str:
    return _row(draft, row) + ("" if label is None else f"[{label}]")


def _row(draft: Draft, row: Transition) -> str:
    return f"{draft.name_of(row.source)}.{row.event}"
