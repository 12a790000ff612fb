"""A workflow as boxes and lines in the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Edge
from hephaestus_stream.drawing.canvas import STYLES, Canvas
from hephaestus_stream.drawing.kind import Kind, kind_of
from hephaestus_stream.drawing.layout import Layout, Net, Slot
from hephaestus_stream.drawing.path import PathTaken
from hephaestus_stream.drawing.words import LEGEND, Words

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
    sheet = _Sheet(Words(definition, path))
    drawing = sheet.drawing()
    if width is not None and max(cell_len(line) for line in drawing.plain.splitlines()) > width:
        drawing = sheet.outline(width)
    return drawing if path is None else drawing.append("  ".join(LEGEND.values()) + "\n", "dim")


def plain(definition: Definition, *, path: PathTaken | None = None, width: int | None = None) -> str:
    """The same drawing without colours, for pipes and files."""
    return text(definition, path=path, width=width).plain


@dataclass(frozen=True)
class _Sheet:
    words: Words

    @property
    def definition(self) -> Definition:
        """The workflow."""
        return self.words.definition

    @property
    def layout(self) -> Layout:
        """Where everything stands."""
        return self.words.layout

    def drawing(self) -> Text:
        """Boxes and lines, layer by layer."""
        canvas = Canvas()
        row = 0
        for layer in self.layout.layers:
            nets = [net for net in self.layout.nets if net.source in layer]
            tracks = self.layout.tracks(nets)
            height = 4 + max(tracks.values(), default=-1) + 1
            for slot in layer:
                if slot.passing:
                    progress = self.words.progress_along(
                        edge for net in nets if net.source == slot for edge in net.edges
                    )
                    column = next(self.layout.exits[net] for net in nets if net.source == slot)
                    canvas.vertical(column, row, row + 3, progress=progress)
                else:
                    self._draw_box(canvas, slot, row)
            self._draw_lines(canvas, nets, tracks, row=row + 3, below=row + height)
            self._draw_labels(canvas, nets, row=row + 3)
            row += height
        return canvas.text()

    def outline(self, width: int) -> Text:
        """A line for each node, and below it one for each outcome: for a narrow terminal."""
        found = Text(no_wrap=True, overflow="ignore")
        for node in self.definition.graph.order:
            progress = self.words.progress_of(node)
            found.append(f"{self.words.title(node)}\n", STYLES[progress])
            outcomes: dict[str, list[Edge]] = defaultdict(list)
            for edge in self.definition.graph.outgoing[node]:
                outcomes[self.words.label(edge)].append(edge)
            for label, edges in outcomes.items():
                rows = _wrapped(f"    {label} → ", [edge.target for edge in edges], width=width)
                found.append("".join(f"{row}\n" for row in rows), STYLES[self.words.progress_along(edges)])
        return found

    def _draw_box(self, canvas: Canvas, slot: Slot, row: int) -> None:
        progress = self.words.progress_of(slot.node)
        left, side, right, upright, lower_left, lower_right, out = tuple(_BOXES[kind_of(self.definition, slot.node)])
        column, inside = self.layout.left[slot], self.layout.width(slot) - 2
        title = self.words.title(slot.node)
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
                canvas.write(
                    row, self.layout.entries[slot, net.targets], "▼", progress=self.words.progress_along(reaching)
                )

    def _draw_lines(
        self, canvas: Canvas, nets: Sequence[Net], tracks: Mapping[Net, int], *, row: int, below: int
    ) -> None:
        """Draws what lies between two layers: down to the line's own row, along it, and down to each target."""
        for net, track in tracks.items():
            columns = [self.layout.exits[net], *(self.layout.entries[target, net.targets] for target in net.targets)]
            canvas.horizontal(
                row + 1 + track, min(columns), max(columns), progress=self.words.progress_along(net.edges)
            )
        for net in nets:
            progress = self.words.progress_along(net.edges)
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
                label = self.words.label(net.edges[0])
                column = self.layout.exits[net] - cell_len(label) // 2
                canvas.write(row, column, label, progress=self.words.progress_along(net.edges))


def _wrapped(start: str, names: Sequence[str], *, width: int) -> Sequence[str]:
    """The names behind a start; those that no longer fit go to lines of their own."""
    rows = [start + names[0]]
    for name in names[1:]:
        if cell_len(f"{rows[-1]}, {name},") > width:
            rows[-1] += ","
            rows.append(f"        {name}")
        else:
            rows[-1] += f", {name}"
    return rows
