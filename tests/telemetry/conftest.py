"""A recorder of telemetry for each test."""

from __future__ import annotations

from collections.abc import Generator
from functools import cache

import pytest

from tests.telemetry.recorder import Recorder


@cache
def the_only_one() -> Recorder:
    """An SDK is set up once in a process, and never again."""
    return Recorder()


@pytest.fixture
def recorder() -> Generator[Recorder]:
    found = the_only_one()
    found.begin()
    yield found
    found.end()
