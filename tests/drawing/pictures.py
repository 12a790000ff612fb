"""Reads an SVG drawing back: what stands where, as a viewer would place it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple
from xml.etree import ElementTree as ET

from rich.cells import cell_len

SVG = "{http://www.w3.org/2000/svg}"
LETTER = 7.9
"""The width of a letter of 13 pixels in the widest of the named fonts."""


class Area(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Area) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class Arrow(NamedTuple):
    """A line from one node to another."""

    source: str
    event: str
    label: str | None
    target: str
    progress: str
    start: tuple[float, float]
    tip: tuple[float, float]
    strokes: tuple[Area, ...]


@dataclass(frozen=True)
class Picture:
    source: str

    @cached_property
    def root(self) -> ET.Element:
        return ET.fromstring(self.source)  # noqa: S314 - nobody else wrote it

    @cached_property
    def nodes(self) -> list[ET.Element]:
        return [group for group in self.root.iter(f"{SVG}g") if "node" in group.get("class", "").split()]

    @cached_property
    def boxes(self) -> dict[str, Area]:
        return {node.get("data-node", ""): _box(node) for node in self.nodes}

    @cached_property
    def labels(self) -> list[tuple[str, Area]]:
        found = [text for text in self.root.iter(f"{SVG}text") if "label" in text.get("class", "").split()]
        return [(text.text or "", _words(text)) for text in found]

    @cached_property
    def arrows(self) -> list[Arrow]:
        return [_arrow(group) for group in self.root.iter(f"{SVG}g") if "edge" in group.get("class", "").split()]

    def classes_of(self, node: str) -> set[str]:
        (group,) = [group for group in self.nodes if group.get("data-node") == node]
        return set(group.get("class", "").split())

    def borders_of(self, node: str) -> int:
        (group,) = [group for group in self.nodes if group.get("data-node") == node]
        return len(group.findall(f"{SVG}rect"))

    def text(self, kind: str) -> list[str]:
        return [each.text or "" for each in self.root.iter(f"{SVG}text") if kind in each.get("class", "").split()]


def _box(node: ET.Element) -> Area:
    rectangle = node.find(f"{SVG}rect")
    assert rectangle is not None
    x, y, width, height = (float(rectangle.get(name, "")) for name in ("x", "y", "width", "height"))
    return Area(x, y, x + width, y + height)


def _words(text: ET.Element) -> Area:
    x, baseline = float(text.get("x", "")), float(text.get("y", ""))
    half = cell_len(text.text or "") * LETTER / 2
    return Area(x - half, baseline - 11, x + half, baseline + 3)


def _arrow(group: ET.Element) -> Arrow:
    line, head = group.findall(f"{SVG}path")
    points = list(_points(line.get("d", "")))
    tip = max(_points(head.get("d", "")), key=lambda point: point[2])
    strokes = [Area(*_sorted(one, other)) for one, other in pairwise(points) if not other[0]]
    return Arrow(
        group.get("data-source", ""),
        group.get("data-event", ""),
        group.get("data-label"),
        group.get("data-target", ""),
        group.get("class", "").split()[-1],
        points[0][1:],
        tip[1:],
        tuple(strokes),
    )


def _points(path: str) -> Iterator[tuple[bool, float, float]]:
    """The points of a path; first whether the pen was lifted on the way to it."""
    for command, numbers in re.findall(r"([MLQ])((?: [\d.]+)+)", path):
        places = [float(number) for number in numbers.split()]
        for x, y in zip(places[::2], places[1::2], strict=True):
            yield command == "M", x, y


def _sorted(one: tuple[bool, float, float], other: tuple[bool, float, float]) -> tuple[float, float, float, float]:
    (left, right), (top, bottom) = sorted((one[1], other[1])), sorted((one[2], other[2]))
    return left - 0.5, top, right + 0.5, bottom
