"""Rules about the graph as a whole: it has no cycle, all of it can be reached, and every path ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.ending import Ending
from hephaestus_stream.core.graph import Graph, path_between, reachable
from hephaestus_stream.core.limits import MAX_NODES
from hephaestus_stream.core.problem import note, problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.step import Step, is_step
from hephaestus_stream.core.transition import Transition
from hephaestus_stream.errors import Problem


def check(draft: Draft) -> Iterator[Problem]:
    """Too many nodes, a cycle, a node that cannot be reached from start, a step that can only be the last."""
    graph = draft.graph
    if len(draft.nodes) > MAX_NODES:
        yield problem(
            Rule.TOO_MANY_NODES,
            draft.location,
            what=f"{draft.class_name} has {len(draft.nodes):,} nodes, and may have {MAX_NODES:,}",
            remedy="let a step do more, or start further runs from a step",
        )
    yield from _cycles(draft, graph)
    yield from _unreachable(draft, graph)
    for name, node in draft.nodes.items():
        if is_step(node) and not node.events():
            yield problem(
                Rule.DEAD_END,
                node.location,
                what=f"{name} ends a path, but is no ending",
                remedy=f"give {type(node).__name__} an event and lead it to a Done() or a Failed(...)",
            )
        elif not isinstance(node, Step | Ending):
            yield problem(
                Rule.BARE_NODE,
                node.location,
                what=f"{name} is a bare Node, neither a step nor an ending",
                remedy="use a Step, a Done() or a Failed(...)",
            )


def _cycles(draft: Draft, graph: Graph) -> Iterator[Problem]:
    reported: set[str] = set()
    for name in graph.nodes:
        if name in graph.position or name in reported:
            continue
        cycle = path_between(graph, name, name)
        if cycle:
            # Of the nodes on one tangle of cycles only the first is reported.
            reported |= reachable(graph, name) & reachable(graph, name, backwards=True)
            yield problem(
                Rule.CYCLE,
                _arrow(draft, *cycle[-2:]).location,
                what=f"{' -> '.join(cycle)} is a cycle",
                notes=tuple(
                    note(f"{source} leads to {target}", _arrow(draft, source, target).location)
                    for source, target in pairwise(cycle[:-1])
                ),
                remedy="a run passes each node once; retry within the step, or start another run",
            )


def _arrow(draft: Draft, source: str, target: str) -> Transition:
    return next(
        row
        for row in draft.rows
        if draft.name_of(row.source) == source
        and any(draft.name_of(node) == target for nodes in row.targets.values() for node in nodes)
    )


def _unreachable(draft: Draft, graph: Graph) -> Iterator[Problem]:
    if not graph.start or draft.table is None:
        return
    reached = reachable(graph, graph.start) | {graph.start}
    for name in graph.nodes:
        if name not in reached:
            yield problem(
                Rule.UNREACHABLE_NODE,
                draft.nodes[name].location,
                what=f"{name} cannot be reached from start ({graph.start})",
                remedy=f"lead an event to it, or delete {name}",
            )
