"""`hephaestus graph`: a workflow drawn, and in it the path of an instance."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from hephaestus_stream.cli.failure import tell
from hephaestus_stream.cli.modules import load_workflow
from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.client.history import read_history
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.drawing import PathTaken, mermaid, plain, svg, text
from hephaestus_stream.errors import RunNotFoundError, UsageError
from hephaestus_stream.wire.key import full_key
from hephaestus_stream.wire.output import HistoryRecord

Format: TypeAlias = Literal["text", "mermaid", "svg"]

_SUFFIXES: Final[Mapping[str, Format]] = {
    ".txt": "text",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".svg": "svg",
}


def graph(
    workflow: str,
    /,
    *,
    format: Annotated[Format | None, Parameter(alias="-f", show_default=False)] = None,  # noqa: A002 - the option's name
    out: Path | None = None,
    instance: Annotated[str | None, Parameter(alias="-i")] = None,
    run: str | None = None,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Draws a workflow.

    Args:
        workflow: `module:Class`, as `workflows.order:OrderFlow`.
        format: Boxes for the terminal, or Mermaid or SVG for documents; by default what the name of the file says.
        out: The file to write, as `order.svg`; standard output unless given.
        instance: The id of an instance, as `abc123`, whose path is drawn.
        run: Which run of the instance; its newest unless given.
    """
    definition = load_workflow(workflow).definition
    drawn_as = format or _format_of(out)
    if instance is None:
        if run is not None:
            raise UsageError("--run names a run of an instance: add --instance ID")
        _write(definition, drawn_as, path=None, caption=None, out=out)
        return
    history = _history(definition, full_key(definition.key, instance), run=run, kafka=kafka)
    _write(definition, drawn_as, path=PathTaken.from_history(history), caption=_caption(history), out=out)


def _format_of(out: Path | None) -> Format:
    """What the name of the file says; without a suffix it says nothing, and text is drawn.

    Raises:
        UsageError: It has a suffix of something else.
    """
    if out is None or not out.suffix:
        return "text"
    suffix = out.suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(
            f"{out}: nothing is drawn as {out.suffix}; name a file with {', '.join(_SUFFIXES)}, or say --format"
        )
    return _SUFFIXES[suffix]


def _history(definition: Definition, key: str, *, run: str | None, kafka: KafkaOptions) -> Sequence[HistoryRecord]:
    """The events of the run.

    Raises:
        RunNotFoundError: There is no such run, or the class is not the version that it keeps.
    """
    settings = kafka.settings()
    require_broker(settings)
    history = read_history(settings.connection, key, workflow=definition.name, run=run)
    first, last = history[0], history[-1]
    if last.version != definition.version:  # it began with another one where it was migrated
        raise RunNotFoundError(
            f"the run {last.run} of {key} has version {last.version} of {definition.name}, and "
            f"{definition.class_name} is version {definition.version}; name the class of version {last.version}, "
            "or another run with --run"
        )
    if first.sequence > 1:
        tell(
            f"the first {first.sequence - 1} events of this run are deleted: what they told is missing", style="yellow"
        )
    return history


def _caption(history: Sequence[HistoryRecord]) -> str:
    last = history[-1]
    where = "" if last.node is None else f" {last.node}"
    return f"{last.key}, run {last.run}: {last.type}{where} at {last.at:%Y-%m-%d %H:%M:%S %Z}"


def _write(
    definition: Definition, drawn_as: Format, *, path: PathTaken | None, caption: str | None, out: Path | None
) -> None:
    if drawn_as == "text" and out is None:
        _show(definition, path=path, caption=caption)
        return
    match drawn_as:
        case "text":
            drawing = (f"{caption}\n\n" if caption else "") + plain(definition, path=path)
        case "mermaid":
            drawing = (f"%% {caption}\n" if caption else "") + mermaid(definition, path=path)
        case "svg":
            drawing = svg(definition, path=path, caption=caption)
    if out is None:
        sys.stdout.write(drawing)
        return
    try:
        out.write_text(drawing, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror}); name another file with --out") from None


def _show(definition: Definition, *, path: PathTaken | None, caption: str | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if caption is not None:
        console.print(Text(f"{caption}\n", "bold"))
    # A pipe has no width: whoever reads it can scroll.
    console.print(text(definition, path=path, width=console.width if console.is_terminal else None), end="")
