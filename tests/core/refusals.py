"""What class creation says against a workflow, compared with the lines that are marked in the test."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import pytest

from hephaestus_stream import StepDefinitionError, WorkflowDefinitionError
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import Problem


def marked_line(make: Callable[[], object], mark: str = "here") -> int:
    """The line of a function that has the comment `# here`."""
    lines, first = inspect.getsourcelines(make)
    [found] = [first + index for index, line in enumerate(lines) if re.search(rf"# {mark}(  #|$)", line)]
    return found


def problems_of(make: Callable[[], object]) -> tuple[Problem, ...]:
    """Everything that class creation refuses."""
    with pytest.raises(WorkflowDefinitionError) as caught:
        make()
    for number, problem in enumerate(caught.value.problems, start=1):
        assert f"  {number}. {problem.what} ({problem.where}): {problem.remedy}" in str(caught.value)
    return caught.value.problems


def problem_of(make: Callable[[], object], rule: Rule, *, mark: str = "here") -> Problem:
    """The one problem by this rule, at the marked line; there may be more by others."""
    [problem] = [problem for problem in problems_of(make) if problem.rule == rule]
    assert_at(problem, make, mark)
    return problem


def assert_refused(make: Callable[[], object], rule: Rule, what: str, remedy: str, *, mark: str = "here") -> None:
    """Class creation refuses this one thing, at the marked line, and says the way out."""
    [problem] = problems_of(make)
    assert (problem.rule, problem.what) == (rule, what)
    assert remedy in problem.remedy
    assert_at(problem, make, mark)


def step_problem_of(make: Callable[[], object], rule: Rule, *, mark: str = "here") -> Problem:
    """What a wrong step, node or outcome is refused for, at the marked line."""
    with pytest.raises(StepDefinitionError) as caught:
        make()
    problem = caught.value.problem
    assert problem is not None
    assert str(caught.value) == f"{problem.what} ({problem.where}): {problem.remedy}"
    assert problem.rule == rule
    assert_at(problem, make, mark)
    return problem


def assert_at(problem: Problem, make: Callable[[], object], mark: str = "here") -> None:
    """A problem points at the marked line."""
    file = inspect.getsourcefile(make)
    assert file is not None
    line = marked_line(make, mark)
    assert (problem.file, problem.line) == (file, line)
    parent, name = PurePath(file).parts[-2:]
    assert problem.where.endswith(f"{parent}/{name}:{line}")


def untyped(value: object) -> Any:  # noqa: ANN401  # that is its use
    """Something that is wrong on purpose, hidden from the type checkers."""
    return value
