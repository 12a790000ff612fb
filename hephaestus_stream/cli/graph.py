"""`hephaestus graph`: a workflow drawn."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from hephaestus_stream.cli.modules import load_workflow
from hephaestus_stream.drawing import mermaid, text


def graph(
    workflow: str,
    /,
    *,
    format: Annotated[Literal["text", "mermaid"], Parameter(alias="-f")] = "text",  # noqa: A002 - the option's name
) -> None:
    """Draws a workflow.

    Args:
        workflow: `module:Class`, as `workflows.order:OrderFlow`.
        format: Boxes for the terminal, or Mermaid for documents.
    """
    definition = load_workflow(workflow).definition
    if format == "mermaid":
        sys.stdout.write(mermaid(definition))
        return
    console = Console(highlight=False, soft_wrap=True)
    # A pipe has no width: whoever reads it can scroll.
    console.print(text(definition, width=console.width if console.is_terminal else None), end="")
