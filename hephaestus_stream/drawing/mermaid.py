"""A workflow as a Mermaid flowchart, for documents and pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Edge
from hephaestus_stream.drawing.kind import Kind, kind_of, progress_of
from hephaestus_stream.drawing.path import PathTaken, Progress
from hephaestus_stream.drawing.words import LEGEND, Words

_SHAPES: Mapping[Kind, tuple[str, str]] = {
    "step": ("[", "]"),
    "wait": ("{{", "}}"),  # hexagon
    "done": ("([", "])"),  # stadium
    "failed": ("[[", "]]"),  # double sides
}

_CLASSES: Mapping[Progress, str] = {
    "taken": "fill:#d8f3dc,stroke:#2d6a4f,stroke-width:2px,color:#081c15",
    "active": "fill:#fff3bf,stroke:#e67700,stroke-width:3px,color:#3d2c00",
    "failed": "fill:#ffe3e3,stroke:#c92a2a,stroke-width:2px,color:#3b0a0a",
    "stopped": "fill:#f3e8ff,stroke:#7b2cbf,stroke-width:2px,color:#240046",
    "dead": "fill:#f1f3f5,stroke:#adb5bd,stroke-dasharray:4 3,color:#868e96",
}

_LINKS: Mapping[Progress, str] = {
    "taken": "stroke:#2d6a4f,stroke-width:3px",
    "dead": "stroke:#ced4da,stroke-dasharray:4 3",
}

_HARMLESS = frozenset(" _:,()[]/")
"""Signs that mean nothing between quotes. Not `.`: Mermaid reads a label `1. x` as the list of a Markdown text."""


def mermaid(definition: Definition, *, path: PathTaken | None = None) -> str:
    """Draws a workflow as a flowchart from top to bottom, and in it the path that a run has taken."""
    words = Words(definition, path)
    lines = [
        "flowchart TD",
        '    begin((" ")) --> ' + _id(definition, definition.graph.start),
        *(_node(words, node) for node in definition.graph.nodes),
        *(_edge(words, edge) for edge in definition.graph.edges),
    ]
    if path is not None:
        lines += [*_legend(), *_classes(definition, path), *_link_styles(definition, path)]
    return "\n".join(lines) + "\n"


def _node(words: Words, node: str) -> str:
    left, right = _SHAPES[kind_of(words.definition, node)]
    return f'    {_id(words.definition, node)}{left}"{_escaped(words.name(node))}"{right}'


def _edge(words: Words, edge: Edge) -> str:
    source, target = _id(words.definition, edge.source), _id(words.definition, edge.target)
    return f'    {source} -->|"{_escaped(words.label(edge))}"| {target}'


def _legend() -> Iterator[str]:
    """A box of its own below the others; it has no link, because links are counted."""
    yield f'    legend["{_escaped("  ".join(LEGEND.values()))}"]'
    yield "    style legend fill:none,stroke:none"


def _classes(definition: Definition, path: PathTaken) -> Iterator[str]:
    members: dict[Progress, list[str]] = defaultdict(list)
    for node in definition.graph.nodes:
        members[progress_of(definition, node, path=path)].append(_id(definition, node))
    for progress, style in _CLASSES.items():
        yield f"    classDef {progress} {style}"
        if members[progress]:
            yield f"    class {','.join(members[progress])} {progress}"


def _link_styles(definition: Definition, path: PathTaken) -> Iterator[str]:
    members: dict[Progress, list[str]] = defaultdict(list)
    # Mermaid counts the links as they are written; the first one leads from the mark to the start.
    for index, edge in enumerate(definition.graph.edges, start=1):
        members[path.progress_along(edge)].append(str(index))
    for progress, style in _LINKS.items():
        if members[progress]:
            yield f"    linkStyle {','.join(members[progress])} {style}"


def _id(definition: Definition, node: str) -> str:
    """A name that Mermaid takes: `end` and `class` are words of its own, and letters beyond ASCII may not be."""
    return f"node_{node}" if node.isascii() else f"node{definition.graph.nodes.index(node)}"


def _escaped(words: str) -> str:
    return "".join(
        character if character.isalnum() or character in _HARMLESS else f"#{ord(character)};" for character in words
    )
