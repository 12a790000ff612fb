"""The page about graphs shows what is drawn, and its commands are commands."""

from __future__ import annotations

import pytest

from hephaestus_stream.cli.app import app
from hephaestus_stream.drawing import mermaid
from hephaestus_stream.drawing.docstring import BEGINNING, END
from hephaestus_stream.drawing.words import LEGEND
from tests.docs.pages import blocks, page, rows, section
from workflows.approval import ApprovalFlow

PAGE = page("docs/graphs.md")
COMMANDS = [line.partition(" #")[0] for block in blocks(PAGE, "sh") for line in block.text.splitlines()]


def test_the_flowchart_is_what_is_drawn() -> None:
    assert [block.text for block in blocks(PAGE, "mermaid")] == [mermaid(ApprovalFlow.definition)]


def test_the_page_has_each_sign_of_the_legend() -> None:
    signs = [cells[0].strip("`") for cells in rows(section(PAGE, "## The path of an instance"))]
    assert signs == [*LEGEND.values(), "none"]


def test_the_page_has_the_lines_around_a_drawing() -> None:
    assert f"``{BEGINNING}`` and `{END}`" in PAGE


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_one(command: str) -> None:
    name, *arguments = command.split()
    assert name == "hephaestus"
    _, bound, _ = app.parse_args(arguments, print_error=False, exit_on_error=False)
    assert bound.args[0] == arguments[1]
