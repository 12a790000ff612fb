"""A layout in pixels: where boxes, labels and lines of a picture stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple

from hephaestus_stream.core.graph import Edge
from hephaestus_stream.drawing.layout import Layout, Net, Slot

CELL: Final = 8
"""The width of a letter: a cell of the terminal."""
BOX: Final = 34
"""The height of a box."""

_MARGIN: Final = 16
_ABOVE_START: Final = 26
_STUB: Final = 6
_LABEL: Final = 18
_TRACK: Final = 14
_ARROW: Final = 22


class Point(NamedTuple):
    """A place, from the upper left corner."""

    x: float
    y: float


class Rectangle(NamedTuple):
    """A box, by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> Point:
        """Its middle."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)


@dataclass(frozen=True)
class Geometry:
    """The places of a layout in pixels.

    Attributes:
        layout: The same places in cells and rows.
    """

    layout: Layout

    @cached_property
    def size(self) -> tuple[float, float]:
        """The width and height that everything needs, a margin included."""
        columns = max(self.layout.left[slot] + self.layout.width(slot) for slot in self.layout.left)
        return columns * CELL + 2 * _MARGIN, self._tops[len(self.layout.layers) - 1] + BOX + _MARGIN

    def box(self, node: str) -> Rectangle:
        """The box of a node; its sides go through the middle of a cell, as the terminal's do."""
        layer = self.layout.depth[node]
        slot = Slot(node, layer)
        left, width = self.layout.left[slot], self.layout.width(slot)
        return Rectangle(_MARGIN + (left + 0.5) * CELL, self._tops[layer], (width - 1) * CELL, BOX)

    def start(self) -> tuple[Point, Point]:
        """Where the line into the first box begins, and where it ends."""
        x = self.box(self.layout.graph.start).centre.x
        return Point(x, self._tops[0] - _ABOVE_START + 5), Point(x, self._tops[0])

    def labels(self) -> Iterator[tuple[Edge, Point]]:
        """The middle of each outcome's label, with one of its edges."""
        for net in self.layout.nets:
            if not net.source.passing:
                y = self._tops[net.source.layer] + BOX + _STUB + _LABEL / 2
                yield net.edges[0], Point(self._x(self.layout.exits[net]), y)

    def stub(self, edge: Edge) -> tuple[Point, Point]:
        """The line from an edge's box to its label."""
        net = self._first[edge]
        x, y = self._x(self.layout.exits[net]), self._tops[net.source.layer] + BOX
        return Point(x, y), Point(x, y + _STUB)

    def line(self, edge: Edge) -> Sequence[Point]:
        """The corners of an edge's line, from its label to the box that it leads to."""
        net = self._first[edge]
        corners = [Point(self._x(self.layout.exits[net]), self._tops[net.source.layer] + BOX + _STUB + _LABEL)]
        while True:
            target = self._target(net, edge)
            layer = net.source.layer
            entry = self._x(self.layout.entries[target, net.targets])
            if entry != corners[-1].x:
                turn = self._tops[layer] + BOX + _STUB + _LABEL + (self._tracks[net] + 0.5) * _TRACK
                corners += [Point(corners[-1].x, turn), Point(entry, turn)]
            if not target.passing:
                return [*corners, Point(entry, self._tops[layer + 1])]
            net = self._passing[target]

    @cached_property
    def _first(self) -> Mapping[Edge, Net]:
        return {edge: net for net in self.layout.nets if not net.source.passing for edge in net.edges}

    @cached_property
    def _passing(self) -> Mapping[Slot, Net]:
        return {net.source: net for net in self.layout.nets if net.source.passing}

    def _target(self, net: Net, edge: Edge) -> Slot:
        return next(slot for slot in net.targets if slot.node == edge.target)

    def _x(self, column: int) -> float:
        return _MARGIN + (column + 0.5) * CELL

    @cached_property
    def _tracks(self) -> dict[Net, int]:
        found: dict[Net, int] = {}
        for layer in self.layout.layers:
            found |= self.layout.tracks([net for net in self.layout.nets if net.source in layer])
        return found

    @cached_property
    def _tops(self) -> Sequence[float]:
        """Where each layer's boxes begin."""
        heights = [
            BOX + _STUB + _LABEL + _TRACK * self._rows(layer) + _ARROW for layer in range(len(self.layout.layers))
        ]
        return list(accumulate(heights, initial=_MARGIN + _ABOVE_START))

    def _rows(self, layer: int) -> int:
        return max((row + 1 for net, row in self._tracks.items() if net.source.layer == layer), default=0)
