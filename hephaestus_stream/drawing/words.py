"""What every drawing of a workflow says, and the room that it takes: so text and SVG agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Edge
from hephaestus_stream.drawing.kind import progress_of
from hephaestus_stream.drawing.label import edge_label, printable
from hephaestus_stream.drawing.layout import Layout
from hephaestus_stream.drawing.path import PathTaken, Progress

_MARKS: Mapping[Progress, str] = {"taken": "✓", "active": "●", "failed": "✗", "stopped": "■", "dead": "·"}

LEGEND: Mapping[Progress, str] = {
    progress: f"{mark} {'not taken' if progress == 'dead' else progress}" for progress, mark in _MARKS.items()
}
"""What the marks mean; what may still come to be has none."""

_START = "▶ "


@dataclass(frozen=True)
class Words:
    """The titles and labels of a drawing, with marks where a path is shown.

    Attributes:
        definition: The workflow.
        path: The path that a run has taken, if one shall be shown.
    """

    definition: Definition
    path: PathTaken | None

    @cached_property
    def layout(self) -> Layout:
        """Where everything stands; boxes are as wide as their title and their labels need."""
        return Layout(self.definition.graph, self._box_width, lambda edge: cell_len(self.label(edge)))

    def title(self, node: str) -> str:
        """A node's name; the first node has a sign of its own."""
        start = _START if node == self.definition.graph.start else ""
        return self._marked(start + printable(node), self.progress_of(node))

    def name(self, node: str) -> str:
        """A node's name without the sign of the first one."""
        return self._marked(printable(node), self.progress_of(node))

    def label(self, edge: Edge) -> str:
        """An edge's event, and what its route chose."""
        return self._marked(edge_label(edge.event, edge.label), self.progress_along([edge]))

    def progress_of(self, node: str) -> Progress:
        """How far a node has come."""
        return progress_of(self.definition, node, path=self.path)

    def progress_along(self, edges: Iterable[Edge]) -> Progress:
        """What is known of lines that share a place: one that was taken is seen before one that was not."""
        found = {"open" if self.path is None else self.path.progress_along(edge) for edge in edges}
        return "taken" if "taken" in found else "open" if "open" in found else "dead"

    def _box_width(self, node: str) -> int:
        outcomes = {(edge.event, edge.label): edge for edge in self.definition.graph.outgoing[node]}
        labels = sum(cell_len(self.label(edge)) + 2 for edge in outcomes.values())
        return max(cell_len(self.title(node)) + 4, labels)

    def _marked(self, words: str, progress: Progress) -> str:
        mark = None if self.path is None else _MARKS.get(progress)
        return words if mark is None else f"{mark} {words}"
