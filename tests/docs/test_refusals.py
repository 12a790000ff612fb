"""The page about what is refused has each rule, with what is really said: each mistake is made again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hephaestus_stream.cli.diagnostics import as_text
from hephaestus_stream.core.rule import Rule
from tests.cli.command_line import CommandLine
from tests.docs.pages import blocks, page, section
from tests.docs.refused import MISTAKES, OF_THE_COMMAND, problems_of, refusals, refused_together

PAGE = "docs/refusals.md"


def without_lines(text: str) -> str:
    """The line of a mistake depends on what the test writes above it."""
    return re.sub(r"(shop/order\.py):\d+", r"\1", text)


def test_the_page_has_a_section_for_each_rule_and_no_other() -> None:
    assert sorted(re.findall(r"^### `(.*)`$", page(PAGE), re.MULTILINE)) == sorted(Rule)


@pytest.mark.parity(1)
def test_each_rule_is_broken_here_or_by_the_tests_of_the_command() -> None:
    assert {*MISTAKES, *OF_THE_COMMAND} == set(Rule)
    assert not {*MISTAKES} & OF_THE_COMMAND


@pytest.mark.parametrize("rule", MISTAKES)
def test_a_section_shows_what_is_really_said(rule: Rule) -> None:
    said = refusals(rule)
    assert len(said) >= len(MISTAKES[rule]), "a mistake no longer breaks its rule"
    [shown] = blocks(section(page(PAGE), f"### `{rule}`"))
    assert without_lines(shown.text).splitlines() == [without_lines(message) for message in said]


def test_the_page_shows_a_problem_as_the_command_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = "\n" * 27 + "class OrderFlow:\n    start = None\n\n    check = Check()\n"
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "order.py").write_text(source)
    problem = next(problem for problem in problems_of(MISTAKES[Rule.UNWIRED_EVENT][0]))
    shown = as_text(replace(problem, file="shop/order.py", line=31, column=13, end_column=20)).plain
    assert f"```\n{shown}```" in page(PAGE)


def test_the_page_has_what_only_the_command_can_tell(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    twins = "from hephaestus_stream import *\n" + "".join(
        f"class {name}(Workflow[None], key='order', name='OrderFlow'):\n"
        "    shown, end = Debug('shown'), Done(); start = shown; transitions = (shown.logged.to(end),)\n"
        for name in ("OrderFlow", "OrderFlowV1")
    )
    (package / "order.py").write_text(twins)
    (package / "typo.py").write_text("order = Ordr()\n")
    said = CommandLine(tmp_path)("check", "shop", "--output", "json")
    problems = json.loads(said.out)["problems"]
    assert {problem["rule"] for problem in problems} == OF_THE_COMMAND
    for problem in problems:
        [shown] = blocks(section(page(PAGE), f"### `{problem['rule']}`"))
        assert shown.text == f"{problem['what']} ({problem['where']}): {problem['remedy']}\n"


@pytest.mark.parity(1)
def test_the_problems_of_the_sample_are_told_together_and_in_these_words() -> None:
    line = re.compile(r":\d+\)")
    assert line.sub(":1)", refused_together()) in line.sub(":1)", page("docs/workflows.md"))


def test_the_readme_shows_what_its_own_class_is_refused_for(tmp_path: Path) -> None:
    [shown, _] = blocks(section(page("README.md"), "## A workflow"), "")
    (tmp_path / "shop.py").write_text(shown.text.replace("        validate.invalid.to(rejected),\n", ""))
    ended = subprocess.run(
        [sys.executable, "-c", "import shop"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stderr.rpartition("hephaestus_stream.errors.")[2] in page("README.md")
