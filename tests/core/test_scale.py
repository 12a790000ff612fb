"""Large workflows are defined in bounded work."""

from __future__ import annotations

import types
from typing import cast

from hephaestus_stream import Done, Workflow
from hephaestus_stream.core.definition import Definition
from tests.core.flows import Work


def chain(length: int) -> Definition:
    def body(namespace: dict[str, object]) -> None:
        works = [Work() for _ in range(length)]
        end = Done()
        namespace |= {f"n{number}": work for number, work in enumerate(works)}
        rows = tuple(work.done.to(onward) for work, onward in zip(works, [*works[1:], end], strict=True))
        namespace |= {"end": end, "start": works[0], "transitions": rows}

    made = types.new_class("Chain", (Workflow[None],), {"key": "chain"}, body)
    return cast("type[Workflow[None]]", made).definition


def fan_out(width: int) -> Definition:
    def body(namespace: dict[str, object]) -> None:
        first, end = Work(), Done()
        works = [Work() for _ in range(width)]
        namespace |= {f"n{number}": work for number, work in enumerate(works)}
        rows = (first.done.to(*works), *(work.done.to(end) for work in works))
        namespace |= {"first": first, "end": end, "start": first, "transitions": rows}

    made = types.new_class("FanOut", (Workflow[None],), {"key": "fan"}, body)
    return cast("type[Workflow[None]]", made).definition


def test_a_chain_of_a_thousand_nodes_is_defined() -> None:
    graph = chain(1_000).graph
    assert len(graph.ancestors["end"]) == 1_000
    assert len(graph.descendants["n0"]) == 1_001


def test_a_fan_out_of_two_hundred_branches_meets_at_one_node() -> None:
    [meeting] = fan_out(200).graph.meetings["end"]
    assert len(meeting.arrivals) == 200
