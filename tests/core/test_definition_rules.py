"""Each rule of definitions has a test that names it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hephaestus_stream.core.rule import Rule

TESTS = Path(__file__).parents[1]
FILES = (*sorted((TESTS / "core").glob("test_*.py")), TESTS / "cli" / "test_check.py")


def rules_in(file: Path) -> set[str]:
    """The rules that the tests of a file speak of, in their bodies or their parameters."""
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {
        node.attr
        for function in functions
        if function.name.startswith("test_")
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Rule"
    }


@pytest.fixture(scope="module")
def tested() -> set[str]:
    return {rule for file in FILES for rule in rules_in(file) if file != Path(__file__)}


@pytest.mark.parametrize("rule", Rule)
def test_a_rule_has_a_test_of_its_own(rule: Rule, tested: set[str]) -> None:
    assert rule.name in tested
