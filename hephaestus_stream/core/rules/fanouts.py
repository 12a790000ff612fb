"""Rules about fan-outs: their branches meet, all of them, and one may only be left for an interrupting ending."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.graph import Fanout, Graph
from hephaestus_stream.core.location import Location
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import Problem


def check(draft: Draft) -> Iterator[Problem]:
    """A fan-out whose branches don't meet, meet in part before, or that stands in an exit.

    A graph with a cycle or with a path that never ends is left to the rules about those.
    """
    graph = draft.graph
    for fanout in graph.fanouts:
        location = _location(draft, fanout)
        if not _is_sound(graph, fanout):
            continue
        if fanout.source in graph.exits:
            yield problem(
                Rule.FANOUT_IN_EXIT,
                location,
                what=f"{fanout} is a fan-out, but from {fanout.source} only interrupting endings can be reached",
                remedy="lead to one node: an ending that interrupts waits for nobody",
            )
            continue
        exits = [branch for branch in fanout.branches if branch in graph.exits]
        for branch in exits:
            yield problem(
                Rule.BRANCH_IS_EXIT,
                location,
                what=f"{fanout} leads straight to {branch}, from which only interrupting endings can be reached",
                remedy=f"lead to {branch} from inside a branch, or make its ending wait: Done()",
            )
        ordinary = [branch for branch in fanout.branches if branch not in exits]
        for one, other in combinations(ordinary, 2):
            found = _meeting_problem(graph, fanout, (one, other))
            if found is not None:
                yield problem(found.rule, location, what=found.what, remedy=found.remedy)
                break  # further pairs of the same fan-out mostly fail for the same reason


def _is_sound(graph: Graph, fanout: Fanout) -> bool:
    behind = graph.descendants[fanout.source]
    return all(node in graph.position and (graph.outgoing[node] or node in graph.endings) for node in behind)


class _Found(NamedTuple):
    rule: Rule
    what: str
    remedy: str


def _meeting_problem(graph: Graph, fanout: Fanout, pair: tuple[str, str]) -> _Found | None:
    one, other = pair
    point = graph.meeting_point(one, other)
    if point is not None:
        early = graph.meeting_in_part(one, other, before=point)
        if early is None:
            return None
        return _Found(
            Rule.PARTIAL_MEETING,
            f"{fanout} opens {one} and {other}, which meet in part at {early} before they meet at {point}",
            f"lead all paths of both to {early}, or none of them",
        )
    leaving = _endings_that_leave(graph, pair)
    if leaving:
        return _Found(
            Rule.BRANCH_LEAVES,
            f"{fanout} opens {one} and {other}, but {' and '.join(leaving)} ends the run without its siblings",
            f"an ending that leaves a fan-out must interrupt: {leaving[0]} = Done(interrupts=True) or Failed(...)",
        )
    return _Found(
        Rule.NO_MEETING,
        f"{fanout} opens {one} and {other}, which never meet",
        "lead both to a common node: a step, or one Done()",
    )


def _endings_that_leave(graph: Graph, pair: tuple[str, str]) -> list[str]:
    """The endings of one branch only, if the branches would meet were it not for them."""
    one, other = (graph.descendants[branch] for branch in pair)
    alone = [node for node in graph.nodes if node in one ^ other and graph.endings.get(node) is False]
    if not alone:
        return []
    without = replace(graph, endings={**graph.endings, **dict.fromkeys(alone, True)})
    return alone if without.meeting_point(*pair) is not None else []


def _location(draft: Draft, fanout: Fanout) -> Location:
    return next(
        row.location
        for row in draft.rows
        if (draft.name_of(row.source), row.event) == (fanout.source, fanout.event) and fanout.label in row.targets
    )
