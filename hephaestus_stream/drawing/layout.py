"""Where the nodes and lines of a drawing stand: layers from top to bottom, lines with right angles between them.

Neither termaid 0.10 nor renderdag 0.1 could be used for this. Termaid puts both labels of a fan-in beside the same
line, so that an event seems to come from another node; renderdag has no place for labels on lines at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import floor
from statistics import fmean

from hephaestus_stream.core.graph import Edge, Graph

GAP = 3
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a layer: of a node, or of a line that passes the layer on its way to a node further down.

    Attributes:
        fanout: The outcome that a passing line belongs to, if it leads to several nodes; else lines to a node share.
    """

    node: str
    layer: int
    passing: bool = False
    fanout: tuple[str, str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Net:
    """The line from one outcome of a node, or from a passing line, to all that it leads to in the next layer.

    Lines that lead to the very same targets are joined on their way. Others never are: they would seem to share all.
    """

    source: Slot
    edges: tuple[Edge, ...]
    targets: frozenset[Slot]


@dataclass(frozen=True)
class Layout:
    """The places of a graph's nodes and lines; lengths are in cells of the terminal.

    Attributes:
        graph: An acyclic graph.
        width_of: How wide a node's box is.
        label_width: How wide an outcome's label is, by one of its edges.
    """

    graph: Graph
    width_of: Callable[[str], int]
    label_width: Callable[[Edge], int]

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """Each node's layer: the longest path from the start, so that every line leads downwards."""
        found: dict[str, int] = {}
        for node in self.graph.order:
            found[node] = max((found[edge.source] + 1 for edge in self.graph.incoming[node]), default=0)
        return found

    @cached_property
    def nets(self) -> tuple[Net, ...]:
        """All lines; those that lead to the same node further down share their passing slots."""
        lines: dict[tuple[Slot, str, str | None], list[Edge]] = defaultdict(list)
        passing: dict[tuple[Slot, str, str | None], list[Edge]] = defaultdict(list)
        for edge in sorted(self.graph.edges, key=lambda edge: self.graph.position[edge.source]):
            lines[Slot(edge.source, self.depth[edge.source]), edge.event, edge.label].append(edge)
            for layer in range(self.depth[edge.source] + 1, self.depth[edge.target]):
                passing[self._slot(edge, layer), "", None].append(edge)
        return tuple(
            Net(source, tuple(edges), frozenset(self._slot(edge, source.layer + 1) for edge in edges))
            for (source, _, _), edges in (*lines.items(), *passing.items())
        )

    @cached_property
    def layers(self) -> tuple[tuple[Slot, ...], ...]:
        """The slots of each layer from left to right, in the order in which the fewest lines cross."""
        reached = dict.fromkeys(
            [
                Slot(self.graph.start, 0),
                *(self._slot(edge, net.source.layer + 1) for net in self.nets for edge in net.edges),
            ]
        )
        layers = [[slot for slot in reached if slot.layer == depth] for depth in range(max(self.depth.values()) + 1)]
        best = [tuple(layer) for layer in layers]
        for sweep in range(_SWEEPS):
            places = {slot: index for layer in layers for index, slot in enumerate(layer)}
            for layer in layers if sweep % 2 == 0 else reversed(layers):
                layer.sort(key=lambda slot: self._wish(slot, places, downwards=sweep % 2 == 0))
                places |= {slot: index for index, slot in enumerate(layer)}
            if self._crossings(layers) < self._crossings(best):
                best = [tuple(layer) for layer in layers]
        return tuple(best)

    @cached_property
    def left(self) -> Mapping[Slot, int]:
        """The first column of each slot: near what it is connected with, and clear of its neighbours."""
        centre: dict[Slot, float] = {slot: 0.0 for layer in self.layers for slot in layer}
        for sweep in range(_SWEEPS + 1):  # an odd number: the last word have the sources
            for layer in self.layers if sweep % 2 == 0 else reversed(self.layers):
                wishes = [self._wish(slot, centre, downwards=sweep % 2 == 0) for slot in layer]
                centre |= zip(layer, _spread(wishes, [self.width(slot) for slot in layer]), strict=True)
        left: dict[Slot, int] = {}
        for layer in self.layers:
            edge = -(10**9)
            for slot in layer:
                left[slot] = max(edge, floor(centre[slot] - self.width(slot) / 2))
                edge = left[slot] + self.width(slot) + GAP
        margin = min(left.values())
        return {slot: column - margin for slot, column in left.items()}

    @cached_property
    def exits(self) -> Mapping[Net, int]:
        """The column in which each line leaves its source."""
        return self._columns[0]

    @cached_property
    def entries(self) -> Mapping[tuple[Slot, frozenset[Slot]], int]:
        """The column in which the lines to the same targets come into one of them; straight where that is possible."""
        return self._columns[1]

    def tracks(self, nets: Sequence[Net]) -> dict[Net, int]:
        """The row between two layers in which each line that is not straight turns; one for all to the same targets.

        Args:
            nets: The lines that leave one layer.
        """
        buses: dict[frozenset[Slot], list[Net]] = defaultdict(list)
        for net in nets:
            buses[frozenset(net.targets)].append(net)
        spans: list[tuple[int, int, int, list[Net]]] = []
        for targets, members in buses.items():
            columns = [self.exits[net] for net in members] + [self.entries[target, targets] for target in targets]
            if min(columns) < max(columns):
                spans.append((-len(targets), min(columns), max(columns), members))
        found: dict[Net, int] = {}
        rows: list[list[tuple[int, int]]] = []
        for _, first, last, members in sorted(spans, key=lambda span: span[:3]):
            free = (index for index, taken in enumerate(rows) if all(last + 1 < a or b + 1 < first for a, b in taken))
            index = next(free, len(rows))
            if index == len(rows):
                rows.append([])
            rows[index].append((first, last))
            found |= dict.fromkeys(members, index)
        return found

    def width(self, slot: Slot) -> int:
        """How wide a slot is."""
        lines = {net.targets for net in self._incoming[slot]}
        return 3 if slot.passing else max(self.width_of(slot.node), 2 * len(lines) + 3)

    @cached_property
    def _columns(self) -> tuple[dict[Net, int], dict[tuple[Slot, frozenset[Slot]], int]]:
        exits: dict[Net, int] = {}
        entries: dict[tuple[Slot, frozenset[Slot]], int] = {}
        for layer in self.layers:
            above = {net: column for net, column in exits.items() if net.source.layer == layer[0].layer - 1}
            for slot in layer:
                entries |= {(slot, targets): column for targets, column in self._entries_of(slot, above).items()}
                for net, offset in self._ports(slot).items():
                    inside = next((column for place, column in entries.items() if place[0] == slot), 0)
                    exits[net] = inside if slot.passing else self.left[slot] + offset
        return exits, entries

    def _entries_of(self, slot: Slot, above: Mapping[Net, int]) -> dict[frozenset[Slot], int]:
        """Chooses columns that nobody else uses: a foreign line in the same column would seem to lead here."""
        left, width, edge = self.left[slot], self.width(slot), 0 if slot.passing else 1
        inside = range(left + edge, left + width - edge)
        sources: dict[frozenset[Slot], list[int]] = defaultdict(list)
        for net in self._incoming[slot]:
            sources[net.targets].append(above[net])
        found: dict[frozenset[Slot], int] = {}
        for index, (targets, own) in enumerate(sorted(sources.items(), key=lambda entry: fmean(entry[1]))):
            foreign = {column for net, column in above.items() if net.targets != targets} | set(found.values())
            even = left + (index + 1) * width // (len(sources) + 1)
            straight = [column for column in own if len(own) == 1 or abs(column - even) <= 1]
            near = {column + step for column in foreign for step in (-1, 1)}
            found[targets] = min(
                (column for column in inside if column not in foreign),
                key=lambda column: (column not in straight, column in near, abs(column - even)),
                default=even,
            )
        return found

    def _ports(self, slot: Slot) -> dict[Net, int]:
        """Where below its box each outcome's label has its middle, in the order of what the outcomes lead to."""
        nets = sorted(self._outgoing[slot], key=lambda net: fmean(self._places[target] for target in net.targets))
        widths = [self.label_width(net.edges[0]) for net in nets]
        spare = (self.width(slot) - sum(widths) - 2 * len(nets)) / max(len(nets), 1)
        found: dict[Net, int] = {}
        column = 0.0
        for net, width in zip(nets, widths, strict=True):
            found[net] = int(column + (spare + width + 2) / 2)
            column += spare + width + 2
        return found

    def _wish(self, slot: Slot, places: Mapping[Slot, float], *, downwards: bool) -> float:
        """The middle of what a slot is connected with, above or below it."""
        if downwards:
            near = [places[net.source] for net in self._incoming[slot]]
        else:
            near = [places[target] for net in self._outgoing[slot] for target in net.targets]
        return fmean(near) if near else places[slot]

    def _crossings(self, layers: Sequence[Sequence[Slot]]) -> int:
        places = {slot: index for layer in layers for index, slot in enumerate(layer)}
        lines = [(net.source, target) for net in self.nets for target in net.targets]
        return sum(
            one[0].layer == other[0].layer
            and (places[one[0]] - places[other[0]]) * (places[one[1]] - places[other[1]]) < 0
            for index, one in enumerate(lines)
            for other in lines[index + 1 :]
        )

    @cached_property
    def _places(self) -> Mapping[Slot, int]:
        return {slot: index for layer in self.layers for index, slot in enumerate(layer)}

    @cached_property
    def _outgoing(self) -> Mapping[Slot, list[Net]]:
        found: dict[Slot, list[Net]] = defaultdict(list)
        for net in self.nets:
            found[net.source].append(net)
        return found

    @cached_property
    def _incoming(self) -> Mapping[Slot, list[Net]]:
        found: dict[Slot, list[Net]] = defaultdict(list)
        for net in self.nets:
            for target in net.targets:
                found[target].append(net)
        return found

    def _slot(self, edge: Edge, layer: int) -> Slot:
        if layer == self.depth[edge.target]:
            return Slot(edge.target, layer)
        outcome = (edge.source, edge.event, edge.label)
        is_fanout = any((fanout.source, fanout.event, fanout.label) == outcome for fanout in self.graph.fanouts)
        return Slot(edge.target, layer, passing=True, fanout=outcome if is_fanout else None)


def _spread(wishes: Sequence[float], widths: Sequence[int]) -> list[float]:
    """The middles of neighbours that come nearest to their wishes (least squares) without touching each other."""
    offsets = [0.0]
    for one, other in pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2 + GAP)
    blocks: list[list[float]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        blocks.append([wish - offset])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    flat = [fmean(block) for block in blocks for _ in block]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]
