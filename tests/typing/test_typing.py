"""Both type checkers accept what is right, and refuse what is wrong at its line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FILES = (HERE / "correct.py", HERE / "mistakes.py")


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
    extended = {"extends": str(ROOT / "pyproject.toml"), "include": copies, "exclude": []}
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


def marked(checker: str) -> set[Complaint]:
    """The lines that a checker must refuse."""
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    mark = re.compile(rf"# wrong(?: for {checker})?:")
    return {Complaint("mistakes.py", number) for number, line in enumerate(lines, start=1) if mark.search(line)}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("checker", "complaints"), [("mypy", complaints_of_mypy), ("pyright", complaints_of_pyright)])
def test_a_checker_refuses_exactly_the_lines_that_are_wrong(
    checker: str, complaints: Callable[[Path], set[Complaint]], tmp_path: Path
) -> None:
    found = complaints(tmp_path)
    assert sorted(found - marked(checker)) == [], "lines that are right were refused"
    assert sorted(marked(checker) - found) == [], "lines that are wrong were accepted"
