from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine
from tests.security.secured_kafka import SecuredKafka, secured_kafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Generator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


@pytest.fixture
def hephaestus(tmp_path: Path) -> CommandLine:
    """`hephaestus` in a folder with a module `flows`."""
    shutil.copy(Path(__file__).parent / "flows.py", tmp_path)
    return CommandLine(tmp_path)
