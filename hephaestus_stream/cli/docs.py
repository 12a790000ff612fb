"""`hephaestus docs`: drawings of workflows in the docstrings of their classes."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from rich.text import Text

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.modules import load_modules, workflows_in
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.cli.user_code import short_path
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.drawing import plain
from hephaestus_stream.drawing.docstring import with_drawing
from hephaestus_stream.errors import DocstringError, WorkflowNotFoundError
from hephaestus_stream.wire.request import AnyWorkflow

_State: TypeAlias = Literal["current", "written", "stale", "refused"]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What became of one class.

    Attributes:
        problem: Why its docstring has no drawing; empty where all is well.
    """

    workflow: str
    file: str
    line: int
    state: _State
    problem: str = ""


def docs(module: str, /, *, check: bool = False, width: int = 88, output: Output = "text") -> int:
    """Writes the drawings.

    Args:
        module: A module, or a package with all its modules, as Python imports it.
        check: Write nothing; code 1 if a drawing is missing or old.
        width: How long the lines of the source may become; a wider drawing becomes an outline.
    """
    drawn = [
        each
        for file, workflows in _by_file(module).items()
        for each in _drawn_in(file, workflows, width=width, is_written=not check)
    ]
    failed = any(each.state in {"stale", "refused"} for each in drawn)
    show(_report(drawn, module=module), document={"drawings": [asdict(each) for each in drawn]}, output=output)
    return ExitCode.FAILED if failed else 0


def _by_file(name: str) -> Mapping[str, Sequence[AnyWorkflow]]:
    """The workflows that a module defines itself; those that it imports belong to another file."""
    found: dict[str, dict[AnyWorkflow, None]] = defaultdict(dict)
    for module in load_modules(name):
        own = [workflow for workflow in workflows_in(module) if workflow.__module__ == module.__name__]
        for workflow in own:
            found[module.__file__ or ""][workflow] = None
    if not found:
        raise WorkflowNotFoundError(f"the module {name} defines no workflow; name the module that its class stands in")
    return {file: tuple(workflows) for file, workflows in found.items()}


def _drawn_in(file: str, workflows: Sequence[AnyWorkflow], *, width: int, is_written: bool) -> Iterator[_Drawn]:
    """Draws the workflows of one file, which is written once, or not at all."""
    try:
        before, encoding = _read(file)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        yield from (_refused(each, file, f"its source cannot be read ({error})") for each in workflows)
        return
    after, drawn = before, list[_Drawn]()
    for each in workflows:
        definition = each.definition
        try:
            changed = with_drawing(
                after,
                class_name=each.__qualname__,
                line=definition.location.line,
                draw=partial(_plain, definition),
                width=width,
            )
        except DocstringError as error:
            drawn.append(_refused(each, file, str(error)))
            continue
        state: _State = "current" if changed == after else "written" if is_written else "stale"
        drawn.append(_Drawn(each.__qualname__, file, definition.location.line, state))
        after = changed
    if is_written and after != before:
        try:
            Path(file).write_bytes(after.encode(encoding))
        except (OSError, UnicodeEncodeError) as error:
            drawn = [_refused(each, file, f"its source cannot be written ({error})") for each in workflows]
    yield from drawn


def _read(file: str) -> tuple[str, str]:
    """The source, its line breaks untouched, and its encoding."""
    content = Path(file).read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return content.decode(encoding), encoding


def _plain(definition: Definition, width: int) -> str:
    return plain(definition, width=width)


def _refused(workflow: AnyWorkflow, file: str, problem: str) -> _Drawn:
    return _Drawn(workflow.__qualname__, file, workflow.definition.location.line, "refused", problem)


def _report(drawn: Sequence[_Drawn], *, module: str) -> Text:
    text = Text()
    for each in drawn:
        place = f"{short_path(each.file)}:{each.line}"
        match each.state:
            case "refused":
                text.append(place, "bold").append(": ").append("error: ", "bold red").append(f"{each.problem}\n")
            case "stale":
                text.append(place, "bold").append(": ").append("error: ", "bold red")
                text.append(f"the drawing of {each.workflow} in its docstring is missing or old\n")
                text.append(f"    run `hephaestus docs {module}`\n", "cyan")
            case "written":
                text.append("✓ ", "green").append(f"{short_path(each.file)}: {each.workflow} is drawn anew\n")
            case "current":
                text.append("✓ ", "green").append(f"{short_path(each.file)}: {each.workflow} is as drawn\n")
    text.rstrip()
    return text
