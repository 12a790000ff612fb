"""Large workflows are defined in bounded work."""

from __future__ import annotations

import types
from typing import Any, cast

from hephaestus_stream import Done, Workflow
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.join import Verdict, judge
from hephaestus_stream.core.state import NodeState, Reported
from tests.core.flows import Work
from tests.core.large import wide_flow
from tests.core.play import Play


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


class Looked(dict[str, NodeState]):
    """Nodes that count how often somebody asks for one."""

    times = 0

    def get(self, *arguments: Any) -> Any:  # noqa: ANN401 - a dict's own
        self.times += 1
        return super().get(*arguments)


def test_a_join_looks_at_no_more_branches_while_the_later_ones_run() -> None:
    graph = wide_flow(1_000).definition.graph
    ended, running = NodeState("completed", reported=Reported("done")), NodeState("running")
    nodes = Looked({f"n{number}": ended if number < 500 else running for number in range(1_000)})
    assert judge(graph, nodes, "end") is Verdict.OPEN
    assert nodes.times < 5


def test_a_transition_looks_at_the_nodes_that_it_changes_only() -> None:
    """The numbers of active nodes are kept, so nobody counts them."""
    play = Play(wide_flow(200))
    play.emit("first")
    state = play.state
    for number in range(199):
        play.emit(f"n{number}")
        assert (play.state.running, play.status) == (199 - number, "running")
    assert (state.running, state.waiting, state.pausing) == (200, 0, 0)
    play.suspend("n199")
    assert (play.state.running, play.state.waiting, play.status) == (0, 1, "waiting")


def test_a_fan_out_of_two_hundred_branches_meets_at_one_node() -> None:
    [meeting] = wide_flow(200).definition.graph.meetings["end"]
    assert len(meeting.arrivals) == 200
