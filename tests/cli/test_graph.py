"""`hephaestus graph`, and how a workflow is found by what the user types."""

from __future__ import annotations

import pytest

from tests.cli.command_line import CommandLine


def test_a_workflow_is_drawn_for_the_terminal(hephaestus: CommandLine) -> None:
    said = hephaestus("graph", "flows:GreetingFlow")
    assert (said.code, said.err) == (0, "")
    assert "▶ greet" in said.out
    assert "greeted" in said.out


def test_a_workflow_is_written_as_mermaid(hephaestus: CommandLine) -> None:
    said = hephaestus("graph", "flows:GreetingFlow", "--format", "mermaid")
    assert said.code == 0
    assert said.out.startswith("flowchart TD\n")


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("flows:GretingFlow", "did you mean flows:GreetingFlow?"),
        ("flow:GreetingFlow", "did you mean flows?"),
        ("flows", "write module:Class"),
        ("./flows.py:GreetingFlow", "name the module as Python imports it: flows"),
        ("json:GreetingFlow", "the module json has no workflow"),
    ],
)
def test_a_wrong_reference_is_refused_with_the_way_out(hephaestus: CommandLine, reference: str, hint: str) -> None:
    said = hephaestus("graph", reference)
    assert said.code == 1
    assert hint in said.err
    assert said.out == ""


def test_a_class_is_found_in_the_modules_of_a_package(hephaestus: CommandLine) -> None:
    package = hephaestus.folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (hephaestus.folder / "flows.py").rename(package / "greeting.py")
    assert hephaestus("graph", "shop:GreetingFlow").code == 0


def test_an_error_in_the_users_code_shows_the_users_lines_only(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "prices.py").write_text("import json\n\nPRICES = json.loads('{')\n")
    (hephaestus.folder / "shop.py").write_text("import prices\n")
    said = hephaestus("graph", "shop:ShopFlow")
    assert said.code == 1
    assert said.err.splitlines()[:5] == [
        "error: importing shop failed:",
        "  shop.py:1 in <module>",
        "    import prices",
        "  prices.py:3 in <module>",
        "    PRICES = json.loads('{')",
    ]
    assert said.err.splitlines()[5].startswith("JSONDecodeError: ")
    assert len(said.err.splitlines()) == 6


def test_the_whole_traceback_is_shown_on_request(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "shop.py").write_text("import jsonn\n")
    said = hephaestus("graph", "shop:ShopFlow", "--debug")
    assert said.code == 1
    assert "importlib" in said.err
    assert "No module named 'jsonn'" in said.err
