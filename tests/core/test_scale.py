"""Large workflows are defined in bounded work."""

from __future__ import annotations

import types
from typing import cast

from hephaestus_stream import Done, Workflow
from hephaestus_stream.core.definition import Definition
from tests.core.flows import Work
from tests.core.large import wide_flow


def chain(length: int) -> Definition:
    def body(namespace: dict[str, object]) -> None:
        works = [Work() for _ in range(length)]
        end = Done()
        namespace |= {f"n{number}": work for number, work in enumerate(works)}
        rows = tuple(work.done.to(onward) for work, onward in zip(works, [*works[1:], end], strict=True))
        namespace |= {"end": end, "start": works[0], "transitions": rows}

    made = types.new_class("Chain", (Workflow[None],), {"key": "chain"}, body)
    return cast("type[Workflow[None]]", made).definition


def test_a_chain_of_a_thousand_nodes_is_defined() -> None:
    graph = chain(1_000).graph
    assert len(graph.ancestors["end"]) == 1_000
    assert len(graph.descendants["n0"]) == 1_001


def test_a_fan_out_of_two_hundred_branches_meets_at_one_node() -> None:
    [meeting] = wide_flow(200).definition.graph.meetings["end"]
    assert len(meeting.arrivals) == 200
