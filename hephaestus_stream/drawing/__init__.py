"""Drawings of a workflow, with the path that a run has taken: boxes for the terminal, Mermaid and SVG for documents."""

from hephaestus_stream.drawing.mermaid import mermaid
from hephaestus_stream.drawing.path import PathTaken
from hephaestus_stream.drawing.svg import svg
from hephaestus_stream.drawing.text import plain, text

__all__ = ["PathTaken", "mermaid", "plain", "svg", "text"]
