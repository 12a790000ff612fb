"""What a node is, as far as a drawing shows it."""

from __future__ import annotations

from typing import Literal

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.ending import Ending
from hephaestus_stream.drawing.path import PathTaken, Progress
from hephaestus_stream.steps import Wait

Kind = Literal["step", "wait", "done", "failed"]


def kind_of(definition: Definition, node: str) -> Kind:
    """An ending, a node at which runs wait for time or for the outside world, or any other step."""
    place = definition.nodes[node]
    if isinstance(place, Ending):
        return "done" if place.failure is None else "failed"
    if isinstance(place, Wait) or any(event.external for event in definition.events[node].values()):
        return "wait"
    return "step"


def progress_of(definition: Definition, node: str, *, path: PathTaken | None) -> Progress:
    """How far a node has come; a run that reached a `Failed` ending shows it as failed, not as done."""
    progress = "open" if path is None else path.progress(node)
    return "failed" if progress == "taken" and kind_of(definition, node) == "failed" else progress
