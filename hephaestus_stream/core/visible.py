"""Which results a node may see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hephaestus_stream.core.graph import Graph
from hephaestus_stream.core.state import NodeState


def visible_nodes(graph: Graph, nodes: Mapping[str, NodeState], node: str) -> Iterator[str]:
    """The nodes before `node` that have a result.

    When an ordinary node starts, all its ancestors are settled. An exit starts at its first taken edge, whatever its
    other sources do: it sees what the node saw that it was entered from, and that node.
    """
    before: set[str] = set()
    while node in graph.exits:
        state = nodes.get(node)
        if state is None or state.entered_from is None:
            break
        node = state.entered_from
        before.add(node)
    else:
        before |= graph.ancestors[node]
    for name in graph.nodes:
        if name in before and nodes[name].reported is not None:
            yield name
