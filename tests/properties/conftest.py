"""How long the properties are searched: `HYPOTHESIS_PROFILE=thorough pytest tests/properties` looks much longer."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Without a deadline: nothing here asserts a time, and the first example pays for imports.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile(
    "thorough",
    max_examples=5_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
