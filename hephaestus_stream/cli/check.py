"""`hephaestus check`: all that is wrong with a module's workflows, told as a compiler tells it."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from hephaestus_stream.cli.diagnostics import as_document, as_text, as_workflow_command
from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.modules import import_module, submodules_of, workflows_in
from hephaestus_stream.cli.output import show
from hephaestus_stream.cli.user_code import user_frames
from hephaestus_stream.core.catalog import Catalog, DuplicateWorkflowError
from hephaestus_stream.core.location import Location
from hephaestus_stream.core.problem import note, problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.workflow import collecting_problems
from hephaestus_stream.errors import (
    HephaestusError,
    Note,
    Problem,
    StepDefinitionError,
    UnknownEventError,
    WorkflowNotFoundError,
)
from hephaestus_stream.wire.request import AnyWorkflow

CheckOutput = Annotated[
    Literal["text", "json", "github"],
    Parameter(alias="-o", help="For people, for programs, or for the pages of GitHub Actions."),
]


def check(module: str, /, *modules: str, output: CheckOutput = "text") -> int:
    """Checks the workflows of modules.

    Args:
        module: A module, or a package with all its modules, as Python imports it.
        modules: More of them.
    """
    workflows: dict[AnyWorkflow, None] = {}
    with collecting_problems() as refused:
        imports = (_problems_of_import(each, workflows, is_the_one_asked_for=True) for each in (module, *modules))
        found = list(dict.fromkeys(chain.from_iterable(imports)))
    found = [each for error in refused for each in error.problems] + found + list(_duplicates(workflows))
    found.sort(key=lambda each: (each.file, each.line, each.column or 0))
    if output == "github":
        sys.stdout.writelines(f"{as_workflow_command(each)}\n" for each in found)
    else:
        document = {"problems": [as_document(each) for each in found], "workflows": len(workflows)}
        show(_report(found, workflows), document=document, output=output)
    return ExitCode.FAILED if found else 0


def _problems_of_import(
    name: str, workflows: dict[AnyWorkflow, None], *, is_the_one_asked_for: bool = False
) -> Iterator[Problem]:
    """Imports a module and those below it; one that fails does not keep the others from being looked at."""
    try:
        module = import_module(name)
    except HephaestusError as error:
        cause = error.__cause__ if isinstance(error, WorkflowNotFoundError) else error
        if cause is None and is_the_one_asked_for:
            raise
        yield _stopped(name, cause or error)
        return
    workflows |= dict.fromkeys(workflows_in(module))
    for submodule in submodules_of(module):
        yield from _problems_of_import(submodule, workflows)


def _stopped(name: str, error: BaseException) -> Problem:
    """An import that ended early: what else is wrong in that module shows once this is mended."""
    if isinstance(error, StepDefinitionError | UnknownEventError) and error.problem is not None:
        hint = note(f"the import of {name} ended here: mend it and check again", _place_of(error, module=name))
        return replace(error.problem, notes=(*error.problem.notes, hint))
    where = _place_of(error, module=name)
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return problem(
        Rule.FAILED_IMPORT,
        where,
        what=reason if isinstance(error, HephaestusError) else f"{type(error).__name__}: {reason}",
        remedy=f"the import of {name} ended here; mend it and check again",
    )


def _place_of(error: BaseException, *, module: str) -> Location:
    """The user's line that an error came from; an empty file where there is none."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        before = (error.text or "")[: max((error.offset or 1) - 1, 0)]
        return Location(error.filename, error.lineno or 0, module, column=len(before.encode()) + 1)
    frames = user_frames(error)
    if not frames:
        return Location("", 0, module)
    frame = frames[-1]
    column, end_column = (None if each is None else each + 1 for each in (frame.colno, frame.end_colno))
    is_on_one_line = frame.end_lineno == frame.lineno
    return Location(frame.filename, frame.lineno or 0, module, column, end_column if is_on_one_line else None)


def _duplicates(workflows: Iterable[AnyWorkflow]) -> Iterator[Problem]:
    catalog: list[AnyWorkflow] = []
    for workflow in workflows:
        try:
            Catalog([*catalog, workflow])
        except DuplicateWorkflowError as error:
            what, _, remedy = str(error).partition("; ")
            notes = tuple(_twins(workflow, catalog))
            yield problem(Rule.DUPLICATE_WORKFLOW, workflow.definition.location, what=what, remedy=remedy, notes=notes)
        else:
            catalog.append(workflow)


def _twins(workflow: AnyWorkflow, others: Iterable[AnyWorkflow]) -> Iterator[Note]:
    mine = workflow.definition
    for other in (each.definition for each in others):
        if (other.name, other.version) == (mine.name, mine.version):
            yield note(f"{other.class_name} is the other", other.location)


def _report(problems: Sequence[Problem], workflows: Iterable[AnyWorkflow]) -> Text:
    text = Text()
    for each in problems:
        text.append(as_text(each)).append("\n")
    if problems:
        return text.append(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", "bold red")
    names = ", ".join(f"{flow.definition.name} {flow.definition.version}" for flow in workflows)
    if not names:
        return Text("no problems, and no workflows either", "yellow")
    return text.append("✓ ", "green").append(f"no problems in {names}")
