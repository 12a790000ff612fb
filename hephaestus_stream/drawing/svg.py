"""A workflow as SVG, for pages and documents: one file that needs nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, get_args
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rich.cells import cell_len

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Edge
from hephaestus_stream.drawing.geometry import CELL, Geometry, Point, Rectangle
from hephaestus_stream.drawing.kind import kind_of
from hephaestus_stream.drawing.label import edge_label, printable
from hephaestus_stream.drawing.path import PathTaken, Progress
from hephaestus_stream.drawing.svg_style import style_sheet
from hephaestus_stream.drawing.words import LEGEND, Words

_WEAKEST_FIRST: Final[tuple[Progress, ...]] = get_args(Progress)
_BELOW_MIDDLE: Final = 4.5
"""How far below the middle of its letters a line of text stands."""
_HEAD: Final = 8
_BEND: Final = 7
_LEGEND_HEIGHT: Final = 28


def svg(definition: Definition, *, path: PathTaken | None = None, caption: str | None = None) -> str:
    """Draws a workflow from top to bottom, and in it the path that a run has taken.

    Everything stands where the drawing for the terminal has it. Steps are boxes, waits dashed ones, `Done` is round,
    and endings that interrupt have a double border. Colours follow the reader's light or dark page; the path shows in
    signs, too. Who cannot see it gets the same in words.

    Args:
        definition: The workflow.
        path: The path of a run.
        caption: The title; the workflow's name unless given.
    """
    picture = _Picture(Words(definition, path), caption or f"{definition.name}, version {definition.version}").element()
    indent(picture)
    return tostring(picture, encoding="unicode") + "\n"


@dataclass(frozen=True)
class _Picture:
    words: Words
    caption: str

    @cached_property
    def definition(self) -> Definition:
        return self.words.definition

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(self.words.layout)

    def element(self) -> Element:
        """The whole picture."""
        width, height = self._size()
        name = f"hephaestus-{self.definition.name}-{self.definition.version}"
        root = Element(
            "svg",
            {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width:g} {height:g}"},
            width=f"{width:g}",
            height=f"{height:g}",
            role="img",
        )
        root.set("class", "hephaestus")
        root.set("aria-labelledby", f"{name}-title {name}-description")
        SubElement(root, "title", id=f"{name}-title").text = printable(self.caption)
        SubElement(root, "desc", id=f"{name}-description").text = " ".join(self._sentences())
        SubElement(root, "style").text = style_sheet()
        root.append(self._start())
        # What is shown where lines share a place is drawn last.
        root.extend(self._edge(edge) for edge in sorted(self.definition.graph.edges, key=self._strength))
        root.extend(self._labels())
        root.extend(self._node(node) for node in self.definition.graph.nodes)
        if self.words.path is not None:
            root.extend(self._legend(height))
        return root

    def _size(self) -> tuple[float, float]:
        width, height = self.geometry.size
        if self.words.path is None:
            return width, height
        legend = sum(cell_len(words) + 2 for words in LEGEND.values()) * CELL
        return max(width, legend + 4 * CELL), height + _LEGEND_HEIGHT

    def _sentences(self) -> Iterator[str]:
        """The drawing in words, node by node."""
        yield f"Starts at {printable(self.definition.graph.start)}."
        for node in self.definition.graph.order:
            progress = self.words.progress_of(node)
            said = [printable(node) if progress == "open" else f"{printable(node)} ({_in_words(progress)})"]
            outcomes: dict[str, list[str]] = defaultdict(list)
            for edge in self.definition.graph.outgoing[node]:
                outcomes[edge_label(edge.event, edge.label)].append(printable(edge.target))
            said += [f"{label} leads to {' and '.join(targets)}" for label, targets in outcomes.items()]
            yield (": ".join([said[0], "; ".join(said[1:])]) if outcomes else f"{said[0]} is an ending") + "."

    def _start(self) -> Element:
        begin, end = self.geometry.start()
        group = Element("g", {"class": "start open"})
        SubElement(group, "circle", {"class": "head", "cx": f"{begin.x:g}", "cy": f"{begin.y:g}", "r": "5"})
        SubElement(group, "path", {"class": "line", "d": _bent([begin, end._replace(y=end.y - _HEAD)])})
        group.append(_head(end))
        return group

    def _edge(self, edge: Edge) -> Element:
        group = Element("g", {"class": f"edge {self.words.progress_along([edge])}", "data-source": edge.source})
        group.set("data-event", edge.event)
        if edge.label is not None:
            group.set("data-label", printable(edge.label))
        group.set("data-target", edge.target)
        SubElement(
            group, "title"
        ).text = f"{printable(edge.source)}.{edge_label(edge.event, edge.label)} → {printable(edge.target)}"
        *corners, end = self.geometry.line(edge)
        line = f"{_bent(self.geometry.stub(edge))} {_bent([*corners, end._replace(y=end.y - _HEAD)])}"
        SubElement(group, "path", {"class": "line", "d": line})
        group.append(_head(end))
        return group

    def _labels(self) -> Iterator[Element]:
        for edge, middle in self.geometry.labels():
            yield _text(self.words.label(edge), middle, kind=f"label {self.words.progress_along([edge])}")

    def _node(self, node: str) -> Element:
        kind = kind_of(self.definition, node)
        # The prefix: `failed` is a word for progress, too.
        group = Element("g", {"class": f"node kind-{kind} {self.words.progress_of(node)}", "data-node": node})
        box = self.geometry.box(node)
        round_by = box.height / 2 if kind == "done" else 3
        group.append(_rectangle(box, round_by, kind="outer"))
        if self.definition.graph.endings.get(node, False):
            inner = Rectangle(box.x + 4, box.y + 4, box.width - 8, box.height - 8)
            group.append(_rectangle(inner, max(round_by - 4, 1), kind="inner"))
        group.append(_text(self.words.name(node), box.centre, kind="name"))
        return group

    def _legend(self, height: float) -> Iterator[Element]:
        column = 2
        for progress, words in LEGEND.items():
            yield _text(words, Point(column * CELL, height - _LEGEND_HEIGHT / 2), kind=f"legend {progress}")
            column += cell_len(words) + 2

    def _strength(self, edge: Edge) -> int:
        return _WEAKEST_FIRST.index(self.words.progress_along([edge]))


def _in_words(progress: Progress) -> str:
    return "not taken" if progress == "dead" else progress


def _text(words: str, middle: Point, *, kind: str) -> Element:
    text = Element("text", {"class": kind, "x": f"{middle.x:g}", "y": f"{middle.y + _BELOW_MIDDLE:g}"})
    text.text = words
    return text


def _rectangle(box: Rectangle, round_by: float, *, kind: str) -> Element:
    sides = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rx": round_by}
    return Element("rect", {"class": kind} | {side: f"{length:g}" for side, length in sides.items()})


def _head(end: Point) -> Element:
    """An arrow's head that points down to a box."""
    left, right, back = end.x - _HEAD / 2, end.x + _HEAD / 2, end.y - _HEAD
    return Element("path", {"class": "head", "d": f"M {left:g} {back:g} L {right:g} {back:g} L {end.x:g} {end.y:g} Z"})


def _bent(points: Sequence[Point]) -> str:
    """A line through points, round at its corners: where lines only cross, they are straight."""
    first, *inner = points[:-1]
    steps = [f"M {first.x:g} {first.y:g}"]
    for before, corner, after in zip(points, inner, points[2:], strict=False):
        bend = min(_BEND, _length(before, corner) / 2, _length(corner, after) / 2)
        into, out = _towards(corner, before, bend), _towards(corner, after, bend)
        steps.append(f"L {into.x:g} {into.y:g} Q {corner.x:g} {corner.y:g} {out.x:g} {out.y:g}")
    return " ".join([*steps, f"L {points[-1].x:g} {points[-1].y:g}"])


def _length(one: Point, other: Point) -> float:
    return abs(one.x - other.x) + abs(one.y - other.y)


def _towards(start: Point, end: Point, distance: float) -> Point:
    """A point on the way along one axis."""
    part = distance / (_length(start, end) or 1)
    return Point(start.x + (end.x - start.x) * part, start.y + (end.y - start.y) * part)
