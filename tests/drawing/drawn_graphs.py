"""Workflows to draw: given as rows, because a drawing does not care what a step does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hephaestus_stream import Context, Done, Event, Failed, Instance, Outcome, Step, Workflow
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Edge, Graph
from hephaestus_stream.core.node import Node


class Work(Step[object]):
    """A step of no matter what kind."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        """Ends at once."""
        del instance, config, context
        return self.done()


class Template(Workflow[object], key="template"):
    """Lends the drawn graphs everything that is no graph."""

    work = Work()
    end = Done()
    start = work
    transitions = (work.done.to(end),)


def drawn(*rows: str | tuple[str, str, str | None, str], failing: Iterable[str] = ()) -> Definition:
    """A definition from rows such as `pick ready[fast] left right`: source, event with its label, and targets."""
    edges = [edge for row in rows for edge in (_edges(row) if isinstance(row, str) else [Edge(*row)])]
    names = tuple(dict.fromkeys(name for edge in edges for name in (edge.source, edge.target)))
    sources = {edge.source for edge in edges}
    nodes: dict[str, Node] = {name: Work() if name in sources else Done() for name in names}
    nodes |= {name: Failed("it did") for name in failing}
    endings = {name: name in set(failing) for name in names if name not in sources}
    graph = Graph(start=names[0], nodes=names, edges=tuple(edges), endings=endings)
    return replace(Template.definition, graph=graph, nodes=nodes)


def _edges(row: str) -> list[Edge]:
    source, outcome, *targets = row.split()
    event, _, label = outcome.rstrip("]").partition("[")
    return [Edge(source, event, label or None, target) for target in targets]
