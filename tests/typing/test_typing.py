"""Both type checkers accept what is right, and refuse what is wrong at its line."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import pytest

import hephaestus_stream
from hephaestus_stream import StepDefinitionError, testing

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CORRECT = HERE / "correct.py"
MISTAKES = HERE / "mistakes.py"
FILES = (CORRECT, MISTAKES)

_MARK = re.compile(r"# wrong(?P<one> for pyright only)?: \S")


class Complaint(NamedTuple):
    file: str
    line: int


class Place(TypedDict):
    line: int


class Range(TypedDict):
    start: Place


class Diagnostic(TypedDict):
    """What of a diagnostic of pyright is read here."""

    file: str
    severity: str
    range: Range


def complaints_of_mypy(_: Path) -> set[Complaint]:
    # From the project's folder, so that its configuration counts.
    output = run("mypy", "--no-error-summary", "--hide-error-context", "--no-pretty", *map(str, FILES))
    found = re.findall(r"^(\S+\.py):(\d+):(?:\d+:)? error:", output, flags=re.MULTILINE)
    return {Complaint(Path(file).name, int(line)) for file, line in found}


def complaints_of_pyright(folder: Path) -> set[Complaint]:
    # The project's configuration leaves the mistakes out, even where they are named: so it is extended, over copies.
    config = folder / "pyrightconfig.json"
    copies = [Path(shutil.copy(file, folder)).name for file in FILES]
    # A line is refused for its mistake, not since nothing is done with what it says.
    own = {"reportUnusedExpression": False, "reportUnusedCoroutine": False}
    extended = {"extends": str(ROOT / "pyproject.toml"), "include": copies, "exclude": [], **own}
    config.write_text(json.dumps(extended), encoding="utf-8")
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(config))
    report = cast("dict[str, list[Diagnostic]]", json.loads(output))
    return {
        Complaint(Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    }


def run(checker: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", checker, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # 1 is for complaints; anything beyond is trouble of the checker's own.
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def wrong_lines(*, for_one: bool) -> dict[int, str]:
    """The lines that both must refuse, or those that pyright alone must."""
    lines = MISTAKES.read_text(encoding="utf-8").splitlines()
    found = ((number, line, _MARK.search(line)) for number, line in enumerate(lines, start=1))
    return {number: line for number, line, mark in found if mark and (mark["one"] is not None) is for_one}


FOR_BOTH = wrong_lines(for_one=False)
FOR_PYRIGHT = wrong_lines(for_one=True)


@pytest.mark.parity(1, 5, 7, 8)
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("complaints", "wrong"),
    [
        pytest.param(complaints_of_mypy, FOR_BOTH, id="mypy"),
        pytest.param(complaints_of_pyright, FOR_BOTH | FOR_PYRIGHT, id="pyright"),
    ],
)
def test_a_checker_refuses_exactly_the_lines_that_are_wrong_for_it(
    complaints: Callable[[Path], set[Complaint]], wrong: dict[int, str], tmp_path: Path
) -> None:
    found = complaints(tmp_path)
    marked = {Complaint(MISTAKES.name, line) for line in wrong}
    assert sorted(found - marked) == [], "lines that are right for this checker were refused"
    assert sorted(marked - found) == [], "lines that are wrong were accepted"


def test_each_mark_is_one_that_is_understood() -> None:
    lines = MISTAKES.read_text(encoding="utf-8").splitlines()
    marked = [number for number, line in enumerate(lines, start=1) if re.search(r"# *wrong", line)]
    assert marked == sorted(FOR_BOTH | FOR_PYRIGHT)


@pytest.mark.parametrize("line", FOR_PYRIGHT.values())
def test_what_one_checker_alone_refuses_raises_when_it_runs(line: str) -> None:
    names = vars(importlib.import_module("tests.typing.mistakes"))
    statement = line.partition("#")[0].strip()
    with pytest.raises(StepDefinitionError):
        exec(statement, dict(names))  # noqa: S102  # a line of the file beside


@pytest.mark.parametrize("name", sorted({*hephaestus_stream.__all__, *testing.__all__}))
def test_each_public_name_is_used_in_the_file_of_what_is_right(name: str) -> None:
    found = re.findall(rf"\b{name}\b", CORRECT.read_text(encoding="utf-8"))
    assert len(found) > 1, "it is imported only"
