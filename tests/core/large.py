"""Workflows of many nodes."""

from __future__ import annotations

import types
from typing import cast

from hephaestus_stream import Done, Workflow
from tests.core.flows import Work


def wide_flow(width: int) -> type[Workflow[None]]:
    """A step, then this many beside each other, then the end."""

    def body(namespace: dict[str, object]) -> None:
        first, end = Work(), Done()
        works = [Work() for _ in range(width)]
        namespace |= {f"n{number}": work for number, work in enumerate(works)}
        rows = (first.done.to(*works), *(work.done.to(end) for work in works))
        namespace |= {"first": first, "end": end, "start": first, "transitions": rows}

    made = types.new_class("FanOut", (Workflow[None],), {"key": "fan"}, body)
    return cast("type[Workflow[None]]", made)
