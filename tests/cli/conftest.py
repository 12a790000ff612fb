"""A project in a folder of its own, and `hephaestus` in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command_line import FLOWS, CommandLine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one workflow."""
    (tmp_path / "flows.py").write_text(FLOWS)
    return tmp_path


@pytest.fixture
def hephaestus(folder: Path) -> CommandLine:
    return CommandLine(folder)
