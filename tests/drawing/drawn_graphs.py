"""Workflows to draw: given as rows, because a drawing does not care what a step does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from hephaestus_stream import Context, Done, Event, Failed, Instance, Outcome, Step, Workflow
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Edge, Graph
from hephaestus_stream.core.node import Node
from hephaestus_stream.drawing import PathTaken
from hephaestus_stream.drawing.path import Reached

UNDER_WAY = PathTaken(
    {
        "validate": Reached("completed", "valid"),
        "rejected": Reached("dead"),
        "reserve": Reached("completed", "reserved"),
        "charge": Reached("completed", "charged"),
        "declined": Reached("dead"),
        "pack": Reached("completed", "packed", "express"),
        "standard": Reached("dead"),
        "express": Reached("completed", "shipped"),
        "cool_off": Reached("waiting"),
    }
)
"""An order that waits for its time to cool off."""


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


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Any acyclic graph in which everything can be reached, whether a workflow may have its shape or not."""
    count = draw(st.integers(2, 9))
    rows: list[tuple[str, str, str | None, str]] = []
    for index in range(1, count):
        for source in draw(st.sets(st.integers(0, index - 1), min_size=1, max_size=3)):
            # Events of one letter and node: the trace below finds a line by its label.
            event = chr(ord("A") + source) + draw(st.sampled_from("xyz"))
            rows.append((f"n{source}", event, None, f"n{index}"))
    return drawn(*sorted(rows))
