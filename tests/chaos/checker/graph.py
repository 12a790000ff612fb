"""When a node starts: the rule of `docs/workflows.md`, read from a plain description of the graph.

It is written by paths, as one would do it on paper, so that it shares nothing with the engine's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple, cast

import msgspec


class Edge(NamedTuple):
    """An arrow of the graph."""

    source: str
    event: str
    label: str | None
    target: str


class Node(msgspec.Struct, frozen=True):
    """A node as the description has it.

    Attributes:
        ending: Whether the run ends here.
        failure: Whether it then failed.
        interrupts: Whether what runs beside it is stopped.
        events: The events that it may end with.
        external: Those that come from outside.
        attempts: How many it has.
        routes: The labels of its routes, by event.
        noted: Whether its step writes down each execution.
    """

    ending: bool = False
    failure: bool = False
    interrupts: bool = False
    events: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    attempts: int = 1
    routes: dict[str, tuple[str, ...]] = {}
    noted: bool = False


class Description(msgspec.Struct, frozen=True):
    """A workflow as plain data."""

    workflow: str
    version: int
    scope: str
    start: str
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]


class Ended(NamedTuple):
    """How a node ended: by an event and the label that its route chose; without an event it has died or failed."""

    event: str | None
    label: str | None


class Graph:
    """Answers whether a node starts, dies, or is still open."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.nodes = description.nodes
        self.start = description.start
        self._into = {node: [edge for edge in description.edges if edge.target == node] for node in self.nodes}
        self._from = {node: [edge for edge in description.edges if edge.source == node] for node in self.nodes}

    def verdict(self, node: str, ended: Mapping[str, Ended]) -> str:
        """`start`, `dead` or `open`, for a node that has not been reached.

        Args:
            node: The node.
            ended: The nodes that are over, and how.
        """
        into = self._into[node]
        taken = [edge for edge in into if ended.get(edge.source) == (edge.event, edge.label)]
        if taken and node in self._exits:
            return "start"
        if any(edge.source not in ended for edge in into):
            return "open"
        if not taken:
            return "dead"
        for opening, arrivals in self._meetings[node]:
            opened = ended.get(opening.source) == (opening.event, opening.label)
            if opened and any(not set(taken) & arrival for arrival in arrivals):
                return "dead"
        return "start"

    @cached_property
    def _exits(self) -> set[str]:
        """Nodes behind which there are only endings that interrupt."""
        return {
            node
            for node in self.nodes
            if all(self.nodes[end].interrupts for end in self._behind(node) if self.nodes[end].ending)
        }

    @cached_property
    def _meetings(self) -> dict[str, list[tuple[Edge, list[set[Edge]]]]]:
        """For each node the fan-outs whose branches meet there, with the edges by which each branch arrives."""
        meetings: dict[str, list[tuple[Edge, list[set[Edge]]]]] = {node: [] for node in self.nodes}
        for opening, branches in self._fanouts():
            met: dict[str, list[str]] = {}
            for one, other in combinations(branches, 2):
                place = self._meeting_place(one, other)
                if place is not None:
                    met.setdefault(place, []).extend((one, other))
            for place, arriving in met.items():
                arrivals = [self._arrivals(opening, branch, place) for branch in dict.fromkeys(arriving)]
                meetings[place].append((opening, arrivals))
        return meetings

    def _fanouts(self) -> Iterator[tuple[Edge, list[str]]]:
        together: dict[tuple[str, str, str | None], list[Edge]] = {}
        for edge in self.description.edges:
            together.setdefault((edge.source, edge.event, edge.label), []).append(edge)
        for edges in together.values():
            if len(edges) > 1:
                yield edges[0], [edge.target for edge in edges]

    def _meeting_place(self, one: str, other: str) -> str | None:
        """The first node that every path from both goes through; what leads into an exit is no path here."""
        common = self._on_every_path(one) & self._on_every_path(other)
        # Of nodes that are on all paths, the one from which all others can be reached comes first.
        return next((node for node in common if common <= self._behind(node)), None)

    def _on_every_path(self, node: str) -> set[str]:
        first, *others = self._paths(node)
        return set(first).intersection(*others)

    def _paths(self, node: str) -> list[tuple[str, ...]]:
        onward = {edge.target for edge in self._from[node] if edge.target not in self._exits}
        return [(node, *path) for target in onward for path in self._paths(target)] or [(node,)]

    def _arrivals(self, opening: Edge, branch: str, place: str) -> set[Edge]:
        own = opening._replace(target=branch)
        return {edge for edge in self._into[place] if edge == own or edge.source in self._behind(branch)}

    def _behind(self, node: str) -> set[str]:
        """The node and all that can be reached from it."""
        return {node}.union(*(self._behind(edge.target) for edge in self._from[node]))


def graphs_of(descriptions: object) -> dict[tuple[str, int], Graph]:
    """The graphs in a list of descriptions as JSON has them, by name and version."""
    found = msgspec.convert(cast("Any", descriptions), tuple[Description, ...])
    return {(each.workflow, each.version): Graph(each) for each in found}
