"""`hephaestus check`: all that is wrong with a module's workflows, told as a compiler tells it."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from rich.text import Text

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.modules import import_module, submodules_of, workflows_in
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.cli.user_code import place_of, short_path
from hephaestus_stream.core.catalog import Catalog, DuplicateWorkflowError
from hephaestus_stream.core.workflow import collecting_problems
from hephaestus_stream.errors import HephaestusError, Problem, WorkflowNotFoundError
from hephaestus_stream.wire.request import AnyWorkflow


def check(module: str, /, *, output: Output = "text") -> int:
    """Checks the workflows of a module.

    Args:
        module: A module, or a package with all its modules, as Python imports it.
    """
    workflows: dict[AnyWorkflow, None] = {}
    with collecting_problems() as refused:
        problems = list(_problems_of_import(module, workflows, is_the_one_asked_for=True))
    problems = [problem for error in refused for problem in error.problems] + problems
    problems += _duplicates(workflows)
    problems.sort(key=lambda problem: (problem.file, problem.line))
    document = {"problems": [asdict(problem) for problem in problems], "workflows": len(workflows)}
    show(_report(problems, workflows), document=document, output=output)
    return ExitCode.FAILED if problems else 0


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
    file, line = place_of(error)
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return Problem(
        what=reason if isinstance(error, HephaestusError) else f"{type(error).__name__}: {reason}",
        where=f"{short_path(file)}:{line}",
        remedy=f"the import of {name} ended here; mend it and check again",
        file=file,
        line=line,
    )


def _duplicates(workflows: Iterable[AnyWorkflow]) -> Iterator[Problem]:
    catalog: list[AnyWorkflow] = []
    for workflow in workflows:
        try:
            Catalog([*catalog, workflow])
        except DuplicateWorkflowError as error:
            what, _, remedy = str(error).partition("; ")
            where = workflow.definition.location
            yield Problem(what=what, where=str(where), remedy=remedy, file=where.file, line=where.line)
        else:
            catalog.append(workflow)


def _report(problems: Sequence[Problem], workflows: Iterable[AnyWorkflow]) -> Text:
    text = Text()
    for problem in problems:
        text.append(f"{short_path(problem.file)}:{problem.line}", "bold").append(": ")
        text.append("error: ", "bold red").append(f"{problem.what}\n").append(f"    {problem.remedy}\n", "cyan")
    if problems:
        return text.append(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", "bold red")
    names = ", ".join(f"{flow.definition.name} {flow.definition.version}" for flow in workflows)
    if not names:
        return Text("no problems, and no workflows either", "yellow")
    return text.append("✓ ", "green").append(f"no problems in {names}")
