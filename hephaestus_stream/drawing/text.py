"""A workflow as boxes and lines in the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len
from rich.text import Text

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Edge
from hephaestus_stream.drawing.canvas import STYLES, Canvas
from hephaestus_stream.drawing.kind import Kind, kind_of, progress_of
from hephaestus_stream.drawing.label import edge_label, printable
from hephaestus_stream.drawing.layout import Layout, Net, Slot
from hephaestus_stream.drawing.path import PathTaken, Progress

_MARKS: Mapping[Progress, str] = {"taken": "✓", "active": "●", "failed": "✗", "stopped": "■", "dead": "·", "open": " "}
_LEGEND = "✓ taken  ● active  ✗ failed  ■ stopped  · not taken\n"
_START = "▶ "

_BOXES: Mapping[Kind, str] = {
    "step": "┌─┐│└┘┬",
    "wait": "┌╌┐┆└┘┬",
    "done": "╭─╮│╰╯┬",
    "failed": "╔═╗║╚╝╤",
}
"""Corner, side, corner, upright, corner, corner, and where a line leaves."""


def text(definition: Definition, *, path: PathTaken | None = None, width: int | None = None) -> Text:
    """Draws a workflow from top to bottom, and in it the path that a run has taken.

    Steps are boxes, waits dashed ones, `Done` round ones and `Failed` double ones; a label stands where its line leaves
    the box. The path shows in colour and in signs, because a pipe loses colour. Where the boxes are wider than `width`
    cells, an outline takes their place.
    """
    sheet = _Sheet(definition, path)
    drawing = sheet.drawing()
    if width is not None and max(cell_len(line) for line in drawing.plain.splitlines()) > width:
        drawing = sheet.outline()
    return drawing if path is None else drawing.append(_LEGEND, "dim")


def plain(definition: Definition, *, path: PathTaken | None = None, width: int | None = None) -> str:
    """The same drawing without colours, for pipes and files."""
    return text(definition, path=path, width=width).plain


@dataclass(frozen=True)
class _Sheet:
    definition: Definition
    path: PathTaken | None

    @cached_property
    def layout(self) -> Layout:
        """Boxes are as wide as their name and their labels need."""
        return Layout(self.definition.graph, self._box_width, lambda edge: cell_len(self._label(edge)))

    def drawing(self) -> Text:
        """Boxes and lines, layer by layer."""
        canvas = Canvas()
        row = 0
        for layer in self.layout.layers:
            nets = [net for net in self.layout.nets if net.source in layer]
            tracks = _tracks(nets, self.layout)
            height = 4 + max(tracks.values(), default=-1) + 1
            for slot in layer:
                if slot.passing:
                    progress = self._progress(edge for net in nets if net.source == slot for edge in net.edges)
                    column = next(self.layout.exits[net] for net in nets if net.source == slot)
                    canvas.vertical(column, row, row + 3, progress=progress)
                else:
                    self._draw_box(canvas, slot, row)
            self._draw_lines(canvas, nets, tracks, row=row + 3, below=row + height)
            self._draw_labels(canvas, nets, row=row + 3)
            row += height
        return canvas.text()

    def outline(self) -> Text:
        """A line for each node, and below it one for each outcome: for a narrow terminal."""
        found = Text(no_wrap=True, overflow="ignore")
        for node in self.definition.graph.order:
            progress = progress_of(self.definition, node, path=self.path)
            found.append(f"{self._title(node)}\n", STYLES[progress])
            outcomes: dict[str, list[Edge]] = defaultdict(list)
            for edge in self.definition.graph.outgoing[node]:
                outcomes[self._label(edge)].append(edge)
            for label, edges in outcomes.items():
                targets = ", ".join(edge.target for edge in edges)
                found.append(f"    {label} → {targets}\n", STYLES[self._progress(edges)])
        return found

    def _draw_box(self, canvas: Canvas, slot: Slot, row: int) -> None:
        progress = progress_of(self.definition, slot.node, path=self.path)
        left, side, right, upright, lower_left, lower_right, out = tuple(_BOXES[kind_of(self.definition, slot.node)])
        column, inside = self.layout.left[slot], self.layout.width(slot) - 2
        title = self._title(slot.node)
        margin = (inside - cell_len(title)) // 2
        canvas.write(row, column, left + side * inside + right, progress=progress)
        canvas.write(row + 1, column, upright + " " * inside + upright, progress=progress)
        canvas.write(row + 1, column + 1 + margin, title, progress=progress)
        canvas.write(row + 2, column, lower_left + side * inside + lower_right, progress=progress)
        for net, port in self.layout.exits.items():
            if net.source == slot:
                canvas.write(row + 2, port, out, progress=progress)
        for net in self.layout.nets:
            if slot in net.targets:
                reaching = [
                    edge
                    for other in self.layout.nets
                    if other.targets == net.targets
                    for edge in other.edges
                    if edge.target == slot.node
                ]
                canvas.write(row, self.layout.entries[slot, net.targets], "▼", progress=self._progress(reaching))

    def _draw_lines(
        self, canvas: Canvas, nets: Sequence[Net], tracks: Mapping[Net, int], *, row: int, below: int
    ) -> None:
        """Draws what lies between two layers: down to the line's own row, along it, and down to each target."""
        for net, track in tracks.items():
            columns = [self.layout.exits[net], *(self.layout.entries[target, net.targets] for target in net.targets)]
            canvas.horizontal(row + 1 + track, min(columns), max(columns), progress=self._progress(net.edges))
        for net in nets:
            progress = self._progress(net.edges)
            leaves = self.layout.exits[net]
            if net not in tracks:
                canvas.vertical(leaves, row, below, progress=progress)
                continue
            turn = row + 1 + tracks[net]
            canvas.vertical(leaves, row, turn, progress=progress, joins=turn)
            for target in net.targets:
                canvas.vertical(self.layout.entries[target, net.targets], turn, below, progress=progress, joins=turn)

    def _draw_labels(self, canvas: Canvas, nets: Sequence[Net], *, row: int) -> None:
        for net in nets:
            if not net.source.passing:
                label = self._label(net.edges[0])
                column = self.layout.exits[net] - cell_len(label) // 2
                canvas.write(row, column, label, progress=self._progress(net.edges))

    def _box_width(self, node: str) -> int:
        outcomes = {(edge.event, edge.label): edge for edge in self.definition.graph.outgoing[node]}
        labels = sum(cell_len(self._label(edge)) + 2 for edge in outcomes.values())
        return max(cell_len(self._title(node)) + 4, labels)

    def _title(self, node: str) -> str:
        start = _START if node == self.definition.graph.start else ""
        return self._marked(start + printable(node), progress_of(self.definition, node, path=self.path))

    def _label(self, edge: Edge) -> str:
        return self._marked(edge_label(edge.event, edge.label), self._progress([edge]))

    def _marked(self, words: str, progress: Progress) -> str:
        return words if self.path is None or progress == "open" else f"{_MARKS[progress]} {words}"

    def _progress(self, edges: Iterator[Edge] | Sequence[Edge]) -> Progress:
        """What is known of lines that share a place: one that was taken is seen before one that was not."""
        found = {"open" if self.path is None else self.path.progress_along(edge) for edge in edges}
        return "taken" if "taken" in found else "open" if "open" in found else "dead"


def _tracks(nets: Sequence[Net], layout: Layout) -> dict[Net, int]:
    """The row between two layers in which each line that is not straight turns; lines to the same targets share one."""
    buses: dict[frozenset[Slot], list[Net]] = defaultdict(list)
    for net in nets:
        buses[frozenset(net.targets)].append(net)
    spans: list[tuple[int, int, int, list[Net]]] = []
    for targets, members in buses.items():
        columns = [layout.exits[net] for net in members] + [layout.entries[target, targets] for target in targets]
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
