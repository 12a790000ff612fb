"""A workflow of two thousand branches; it takes a while to define, so that no other test imports it."""

from __future__ import annotations

import types
from typing import cast

from hephaestus_stream import Done, Workflow
from tests.integration.large_flows import Bring, Load


def _fan_out(namespace: dict[str, object]) -> None:
    first, end = Bring(), Done()
    branches = [Bring() for _ in range(WIDTH)]
    namespace |= {f"branch_{number}": branch for number, branch in enumerate(branches)}
    rows = (first.brought.to(*branches), *(branch.brought.to(end) for branch in branches))
    namespace |= {"first": first, "end": end, "start": first, "transitions": rows, "__module__": __name__}


WIDTH = 2_000
FanOut = cast(
    "type[Workflow[Load]]",
    types.new_class("FanOut", (Workflow[Load],), {"key": "fan"}, _fan_out),
)
"""Two thousand branches at once."""
