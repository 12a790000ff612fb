"""The looks of an SVG drawing: one style sheet, for light pages and for dark ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from hephaestus_stream.drawing.path import Progress


class _Colours(NamedTuple):
    """Of one progress: lines and borders, boxes inside, words in boxes, words on the page."""

    line: str
    box: str
    name: str
    label: str


_LIGHT: Final[Mapping[Progress, _Colours]] = {
    "open": _Colours("#6e7781", "#f6f8fa", "#1f2328", "#57606a"),
    "dead": _Colours("#afb8c1", "#ffffff", "#6e7781", "#6e7781"),
    "stopped": _Colours("#8250df", "#fbefff", "#3e1f79", "#8250df"),
    "taken": _Colours("#1a7f37", "#dafbe1", "#033a16", "#1a7f37"),
    "failed": _Colours("#cf222e", "#ffebe9", "#660018", "#cf222e"),
    "active": _Colours("#9a6700", "#fff8c5", "#3b2300", "#9a6700"),
}
_DARK: Final[Mapping[Progress, _Colours]] = {
    "open": _Colours("#8b949e", "#161b22", "#e6edf3", "#8b949e"),
    "dead": _Colours("#484f58", "#0d1117", "#8b949e", "#8b949e"),
    "stopped": _Colours("#a371f7", "#271052", "#eddeff", "#a371f7"),
    "taken": _Colours("#3fb950", "#04260f", "#d2f7da", "#3fb950"),
    "failed": _Colours("#f85149", "#490202", "#ffdcd7", "#f85149"),
    "active": _Colours("#d29922", "#341a00", "#f8e3a1", "#d29922"),
}

# No variables of CSS: not every program that draws SVG knows them.
_SHAPES: Final = """\
.hephaestus text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.hephaestus text { text-anchor: middle; }
.hephaestus .legend { text-anchor: start; }
.hephaestus rect { stroke-width: 1.5; }
.hephaestus .line { fill: none; stroke-width: 1.5; stroke-linecap: round; }
.hephaestus .kind-wait rect { stroke-dasharray: 5 3; }
.hephaestus .taken rect, .hephaestus .taken .line { stroke-width: 2; }
.hephaestus .active rect, .hephaestus .failed rect { stroke-width: 2.5; }
.hephaestus .inner { fill: none; }
"""


def style_sheet() -> str:
    """The style sheet; its classes are the words for progress and for kinds of nodes, within `.hephaestus` only."""
    dark = "".join(f"  {rule}\n" for rule in _rules(_DARK))
    light = "".join(f"{rule}\n" for rule in _rules(_LIGHT))
    return f"\n{light}{_SHAPES}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _rules(colours: Mapping[Progress, _Colours]) -> Iterator[str]:
    for progress, (line, box, name, label) in colours.items():
        of = f".hephaestus .{progress}"
        yield f"{of} .line, {of} rect {{ stroke: {line}; }}"
        yield f"{of} .head {{ fill: {line}; }}"
        yield f"{of} .outer {{ fill: {box}; }}"
        yield f"{of} text {{ fill: {name}; }}"
        yield f".hephaestus text.{progress} {{ fill: {label}; }}"
