"""How long the properties are searched: `HYPOTHESIS_PROFILE=thorough pytest tests/properties` looks much longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

THOROUGH = "thorough"

# Without a deadline: nothing here asserts a time, and the first example pays for imports.
# Nor with the checks that a slow machine or an unlucky seed may fail.
UNCHECKED = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile("quick", max_examples=60, deadline=None, suppress_health_check=UNCHECKED)
settings.register_profile(THOROUGH, max_examples=5_000, deadline=None, suppress_health_check=UNCHECKED)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A thorough search takes longer than any test may otherwise."""
    if PROFILE == THOROUGH:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.timeout(0))
