"""What a command prints when all went well: for people, or as JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter
from rich.console import Console, RenderableType

_UNBOUNDED: Final = 100_000

OutputFormat: TypeAlias = Literal["text", "json"]

Output: TypeAlias = Annotated[OutputFormat, Parameter(alias="-o", help="For people, or for programs.")]
"""The option `--output` of a command."""


def show_line(text: RenderableType, *, document: object, output: OutputFormat) -> None:
    """Prints one of many results as it comes; JSON is one line for each."""
    if output == "json":
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    else:
        show(text, document=None, output=output)


def show(text: RenderableType, *, document: object, output: OutputFormat) -> None:
    """Prints a result in the form that was asked for; JSON is one document."""
    if output == "json":
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        # A pipe has no width: a line is a line for whoever searches in it. Words in brackets are somebody's, not ours.
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _UNBOUNDED
        Console(highlight=False, soft_wrap=True, markup=False, emoji=False, width=width).print(text)


def counted(number: int, noun: str) -> str:
    """How many of something that forms its plural with an s, in words."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
