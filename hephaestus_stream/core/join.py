"""The join rule: when a node starts, and when it can no longer be reached."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from hephaestus_stream.core.graph import Edge, Fanout, Graph
from hephaestus_stream.core.state import ACTIVE, NodeState


class Verdict(Enum):
    """What is to become of a node that has not been reached."""

    OPEN = auto()  # edges into it are not settled
    START = auto()
    DEAD = auto()


def judge(graph: Graph, nodes: Mapping[str, NodeState], target: str) -> Verdict:
    """Applies the rule to one node.

    A node starts when all edges into it are settled and at least one is taken; where branches of an opened fan-out
    meet, it needs a taken edge from each of them. An exit starts at its first taken edge.
    """
    verdicts = {edge: verdict_of(edge, nodes) for edge in graph.incoming[target]}
    taken = {edge for edge, verdict in verdicts.items() if verdict is Verdict.START}
    if taken and target in graph.exits:
        return Verdict.START
    if Verdict.OPEN in verdicts.values():
        return Verdict.OPEN
    if not taken:
        return Verdict.DEAD
    for meeting in graph.meetings[target]:
        if was_opened(meeting.fanout, nodes) and not all(taken & arrivals for arrivals in meeting.arrivals):
            return Verdict.DEAD
    return Verdict.START


def verdict_of(edge: Edge, nodes: Mapping[str, NodeState]) -> Verdict:
    """Whether an edge is taken (START), dead, or not settled yet."""
    source = nodes.get(edge.source)
    if source is None or source.status in ACTIVE:
        return Verdict.OPEN
    return Verdict.START if _ended_with(source, edge) else Verdict.DEAD


def was_opened(fanout: Fanout, nodes: Mapping[str, NodeState]) -> bool:
    """Whether the branches of a fan-out were started."""
    source = nodes.get(fanout.source)
    return source is not None and _ended_with(source, fanout)


def _ended_with(source: NodeState, place: Edge | Fanout) -> bool:
    return (
        source.status == "completed"
        and source.reported is not None
        and source.reported.event == place.event
        and source.label == place.label
    )
