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
    incoming = graph.incoming[target]
    if target in graph.exits and any(is_taken(edge, nodes) for edge in incoming):
        return Verdict.START
    # Backwards, since branches that began first tend to end first: the open one is found at once.
    if any(_is_open(edge, nodes) for edge in reversed(incoming)):
        return Verdict.OPEN
    taken = {edge for edge in incoming if is_taken(edge, nodes)}
    if not taken:
        return Verdict.DEAD
    for meeting in graph.meetings[target]:
        if is_taken(meeting.fanout, nodes) and not all(taken & arrivals for arrivals in meeting.arrivals):
            return Verdict.DEAD
    return Verdict.START


def _is_open(edge: Edge, nodes: Mapping[str, NodeState]) -> bool:
    """Whether it is not decided yet if an edge is taken."""
    source = nodes.get(edge.source)
    return source is None or source.status in ACTIVE


def is_taken(place: Edge | Fanout, nodes: Mapping[str, NodeState]) -> bool:
    """Whether the source of an edge, or of a fan-out, ended with its event and label."""
    source = nodes.get(place.source)
    return (
        source is not None
        and source.status == "completed"
        and source.reported is not None
        and source.reported.event == place.event
        and source.label == place.label
    )
