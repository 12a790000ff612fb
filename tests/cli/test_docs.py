"""`hephaestus docs`: drawings in the docstrings of workflows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command_line import FLOWS, PROJECT, CommandLine

HAND_MADE = """\
from flows import Greet, Guest
from hephaestus_stream import Done, Workflow


def made():
    class LocalFlow(Workflow[Guest], key="local"):
        greet = Greet()
        done = Done()
        start = greet
        transitions = (greet.greeted.to(done),)

    return LocalFlow


LocalFlow = made()
"""


@pytest.mark.parity(24)
def test_the_workflows_of_the_project_have_their_drawings() -> None:
    said = CommandLine(PROJECT)("docs", "workflows", "--check")
    assert (said.code, said.err) == (0, "")
    assert "workflows/order.py: OrderFlow is as drawn" in said.out


@pytest.mark.parity(24)
def test_a_drawing_is_written_once_and_is_then_current(hephaestus: CommandLine) -> None:
    file = hephaestus.folder / "flows.py"

    said = hephaestus("docs", "flows")
    assert (said.code, said.out, said.err) == (0, "✓ flows.py: GreetingFlow is drawn anew\n", "")
    written = file.read_text()
    assert "    Graph, drawn by `hephaestus docs`::\n\n        ┌─────────┐\n        │ ▶ greet │\n" in written
    assert hephaestus("graph", "flows:GreetingFlow").code == 0

    said = hephaestus("docs", "flows")
    assert (said.code, said.out) == (0, "✓ flows.py: GreetingFlow is as drawn\n")
    assert file.read_text() == written


@pytest.mark.parity(24)
def test_a_check_writes_nothing_and_fails_until_the_drawing_is_current(hephaestus: CommandLine) -> None:
    file = hephaestus.folder / "flows.py"

    said = hephaestus("docs", "flows", "--check")
    assert said.code == 1
    assert said.out.splitlines() == [
        "flows.py:23: error: the drawing of GreetingFlow in its docstring is missing or old",
        "    run `hephaestus docs flows`",
    ]
    assert file.read_text() == FLOWS

    hephaestus("docs", "flows")
    assert hephaestus("docs", "flows", "--check").code == 0
    file.write_text(file.read_text().replace("greeted", "welcomed"))
    assert hephaestus("docs", "flows", "--check").code == 1


def test_a_package_is_drawn_with_all_its_modules_and_imported_classes_belong_to_theirs(
    hephaestus: CommandLine,
) -> None:
    package = hephaestus.folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("from shop.greeting import GreetingFlow\n")
    (hephaestus.folder / "flows.py").rename(package / "greeting.py")

    said = hephaestus("docs", "shop")
    assert (said.code, said.out) == (0, "✓ shop/greeting.py: GreetingFlow is drawn anew\n")
    assert (package / "__init__.py").read_text() == "from shop.greeting import GreetingFlow\n"


def test_a_class_without_a_statement_in_the_source_is_told_and_its_file_stays(hephaestus: CommandLine) -> None:
    file = hephaestus.folder / "made.py"
    file.write_text(HAND_MADE)

    said = hephaestus("docs", "made")
    assert said.code == 1
    assert said.out.startswith("made.py:6: error: the module has no class statement of made.<locals>.LocalFlow: ")
    assert file.read_text() == HAND_MADE


def test_a_module_that_only_imports_workflows_is_told(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "main.py").write_text("from flows import GreetingFlow\n")

    said = hephaestus("docs", "main")
    assert said.code == 1
    assert "the module main defines no workflow; name the module that its class stands in" in said.err


def test_a_file_in_an_encoding_without_boxes_stays_as_it_is(hephaestus: CommandLine) -> None:
    content = f"# coding: latin-1\n# Gr\xfc\xdfe\n{FLOWS}".encode("latin-1")
    file = hephaestus.folder / "flows.py"
    file.write_bytes(content)

    said = hephaestus("docs", "flows")
    assert said.code == 1
    assert "its source cannot be written ('latin-1' codec can't encode" in " ".join(said.out.split())
    assert file.read_bytes() == content


def test_a_mark_at_the_beginning_and_the_line_breaks_of_a_file_stay(hephaestus: CommandLine) -> None:
    file = hephaestus.folder / "flows.py"
    file.write_bytes(b"\xef\xbb\xbf" + FLOWS.replace("\n", "\r\n").encode())

    assert hephaestus("docs", "flows").code == 0
    content = file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") > FLOWS.count("\n")
    assert hephaestus("docs", "flows", "--check").code == 0


def test_a_narrow_source_gets_an_outline(hephaestus: CommandLine) -> None:
    assert hephaestus("docs", "flows", "--width", "18").code == 0
    assert "        ▶ greet\n            greeted → reply\n" in (hephaestus.folder / "flows.py").read_text()


def test_a_program_gets_the_drawings_as_json(hephaestus: CommandLine) -> None:
    said = hephaestus("docs", "flows", "--check", "--output", "json")
    assert said.code == 1
    [drawing] = json.loads(said.out)["drawings"]
    assert (drawing["workflow"], drawing["state"], drawing["line"]) == ("GreetingFlow", "stale", 23)
    assert Path(drawing["file"]) == hephaestus.folder / "flows.py"
