"""The structure of a workflow: nodes, edges, and what follows from them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

from hephaestus_stream.core.node_sets import NodeSets, lowest


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow: when `source` ends with `event` (and its route chooses `label`), `target` may start."""

    source: str
    event: str
    label: str | None
    target: str


@dataclass(frozen=True, slots=True)
class Fanout:
    """Several edges that are taken together; each opens a branch."""

    source: str
    event: str
    label: str | None
    branches: tuple[str, ...]

    def __str__(self) -> str:
        label = "" if self.label is None else f"[{self.label}]"
        return f"{self.source}.{self.event}{label}"


@dataclass(frozen=True, slots=True)
class Meeting:
    """Branches of a fan-out that meet at a node: it needs a taken edge from each of them, if the fan-out was opened.

    Attributes:
        fanout: Whose branches meet.
        arrivals: For each branch the edges by which it reaches the node.
    """

    fanout: Fanout
    arrivals: tuple[frozenset[Edge], ...]


@dataclass(frozen=True)
class Graph:
    """A directed graph of named nodes. It says nothing about whether it is a good one: see `rules`.

    Attributes:
        start: The node that runs first.
        nodes: All names, in the order they were written.
        edges: All edges, in the order they were written.
        endings: The nodes at which a run ends, and whether each interrupts what runs beside it.
    """

    start: str
    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    endings: Mapping[str, bool] = field(default_factory=dict[str, bool])

    @cached_property
    def outgoing(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that leave each node."""
        return self._edges_by_node(lambda edge: edge.source)

    @cached_property
    def incoming(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that reach each node."""
        return self._edges_by_node(lambda edge: edge.target)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The nodes, each after all that come before it; nodes on a cycle, and behind one, are left out."""
        missing = {node: len(self.incoming[node]) for node in self.nodes}
        ready = [node for node in self.nodes if not missing[node]]
        order: list[str] = []
        while ready:
            node = ready.pop()
            order.append(node)
            for edge in self.outgoing[node]:
                missing[edge.target] -= 1
                if not missing[edge.target]:
                    ready.append(edge.target)
        return tuple(order)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each node stands in `order`."""
        return {node: index for index, node in enumerate(self.order)}

    @cached_property
    def ancestors(self) -> Mapping[str, frozenset[str]]:
        """The nodes from which each node can be reached, itself left out."""
        return NodeSets(self._names, self._ancestors)

    @cached_property
    def descendants(self) -> Mapping[str, frozenset[str]]:
        """The nodes that can be reached from each node, itself included."""
        return NodeSets(self._names, self._descendants)

    @cached_property
    def exits(self) -> frozenset[str]:
        """The nodes from which only interrupting endings can be reached."""
        ordinary = {node for node in self.nodes if not self.outgoing[node] and not self.endings.get(node, False)}
        for node in reversed(self.order):
            if any(edge.target in ordinary for edge in self.outgoing[node]):
                ordinary.add(node)
        return frozenset(self.order) - ordinary

    @cached_property
    def fanouts(self) -> tuple[Fanout, ...]:
        """Every place where several edges are taken at once."""
        together: dict[tuple[str, str, str | None], list[str]] = defaultdict(list)
        for edge in self.edges:
            together[edge.source, edge.event, edge.label].append(edge.target)
        return tuple(
            Fanout(source, event, label, tuple(targets))
            for (source, event, label), targets in together.items()
            if len(targets) > 1
        )

    def meeting_point(self, one: str, other: str) -> str | None:
        """The nearest node that all paths from both nodes go through; None where there is none."""
        common = self._unavoidable.get(one, 0) & self._unavoidable.get(other, 0)
        return self._names[lowest(common)] if common else None

    def meeting_in_part(self, one: str, other: str, *, before: str) -> str | None:
        """The first node that both nodes reach on the way to another; None where there is none."""
        both = self._descendants[one] & self._descendants[other] & self._ancestors[before]
        return self._names[lowest(both)] if both else None

    @cached_property
    def meetings(self) -> Mapping[str, tuple[Meeting, ...]]:
        """For each node the fan-outs whose branches meet there."""
        found: dict[str, list[Meeting]] = defaultdict(list)
        for fanout in self.fanouts:
            for node, branches in self._branches_by_meeting_point(fanout).items():
                arrivals = tuple(self._arrivals(fanout, branch, node) for branch in branches)
                found[node].append(Meeting(fanout, arrivals))
        return {node: tuple(found.get(node, ())) for node in self.nodes}

    def _branches_by_meeting_point(self, fanout: Fanout) -> dict[str, dict[str, None]]:
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for one, other in combinations(fanout.branches, 2):
            point = self.meeting_point(one, other)
            if point is not None:
                found[point] |= {one: None, other: None}
        return found

    def _arrivals(self, fanout: Fanout, branch: str, node: str) -> frozenset[Edge]:
        opening = Edge(fanout.source, fanout.event, fanout.label, branch)
        reached = self._descendants[branch]
        return frozenset(edge for edge in self.incoming[node] if edge == opening or self._bit[edge.source] & reached)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """What the bits stand for: a lower bit is never behind a higher one. Nodes on or behind cycles come last."""
        return (*self.order, *(node for node in self.nodes if node not in self.position))

    @cached_property
    def _bit(self) -> Mapping[str, int]:
        return {node: 1 << index for index, node in enumerate(self._names)}

    @cached_property
    def _ancestors(self) -> Mapping[str, int]:
        found = dict.fromkeys(self.nodes, 0)
        for node in self.order:
            for edge in self.incoming[node]:
                found[node] |= found[edge.source] | self._bit[edge.source]
        return found

    @cached_property
    def _descendants(self) -> Mapping[str, int]:
        found = dict(self._bit)
        for node in reversed(self.order):
            for edge in self.outgoing[node]:
                found[node] |= found[edge.target]
        return found

    @cached_property
    def _unavoidable(self) -> Mapping[str, int]:
        """For each node all that every path from it goes through, itself included; paths into exits don't count."""
        found: dict[str, int] = {}
        for node in reversed(self.order):
            onward = [found.get(edge.target, 0) for edge in self.outgoing[node] if edge.target not in self.exits]
            common = onward[0] if onward else 0
            for bits in onward:
                common &= bits
            found[node] = self._bit[node] | common
        return found

    def _edges_by_node(self, end: Callable[[Edge], str]) -> dict[str, tuple[Edge, ...]]:
        found: dict[str, list[Edge]] = {node: [] for node in self.nodes}
        for edge in self.edges:
            found[end(edge)].append(edge)
        return {node: tuple(edges) for node, edges in found.items()}


def path_between(graph: Graph, source: str, target: str) -> tuple[str, ...]:
    """The shortest path from `source` to `target` over at least one edge; empty where there is none."""
    came_from: dict[str, str] = {}
    frontier = deque([source])
    while frontier:
        node = frontier.popleft()
        for edge in graph.outgoing[node]:
            if edge.target == target:
                return (*_walked(came_from, source, node), target)
            if edge.target not in came_from:
                came_from[edge.target] = node
                frontier.append(edge.target)
    return ()


def _walked(came_from: Mapping[str, str], source: str, node: str) -> tuple[str, ...]:
    path = [node]
    while path[-1] != source:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))


def reachable(graph: Graph, source: str, *, backwards: bool = False) -> frozenset[str]:
    """The nodes at the end of the paths from `source` over at least one edge, cycles or not."""
    found: set[str] = set()
    frontier = [source]
    while frontier:
        node = frontier.pop()
        nearest = (
            {edge.source for edge in graph.incoming[node]}
            if backwards
            else {edge.target for edge in graph.outgoing[node]}
        )
        frontier.extend(nearest - found)
        found |= nearest
    return frozenset(found)
