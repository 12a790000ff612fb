"""What there is to see in a workflow: words for shapes, so that a sample can be asked which of them it has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tests.properties.blueprint import FAILING, Blueprint, Row
from tests.properties.cuts import CutModel

SHAPES = frozenset(
    {
        "fan-out within a fan-out",
        "branch within a fan-out",
        "branches that meet in pairs",
        "branch straight to the join",
        "route to one node",
        "route to several nodes",
        "fan-in",
        "merge",
        "several Done",
        "Failed",
        "Done(interrupts=True)",
        "exit with steps",
        "exit that is entered twice",
        "fan-out that is left for an exit",
        "wait with a timeout",
        "wait without a timeout",
        "wait for a time",
        "step with external events",
    }
)

_KINDS = {
    "patient": "wait with a timeout",
    "signal": "wait without a timeout",
    "wait": "wait for a time",
    "open": "step with external events",
}


def shapes_of(plan: Blueprint) -> set[str]:
    """The shapes that a blueprint has."""
    model = CutModel(plan)
    found = {_KINDS[spot.kind] for spot in plan.steps.values() if spot.kind in _KINDS}
    found |= set(_of_endings(plan, model))
    for row in plan.rows:
        for label, targets in row.targets.items():
            if label is not None:
                found.add("route to one node" if len(targets) == 1 else "route to several nodes")
            if len(targets) > 1:
                found |= set(_of_fanout(plan, model, row, targets))
    return found | set(_of_merges(plan, model))


def _of_endings(plan: Blueprint, model: CutModel) -> Iterator[str]:
    if sum(not interrupts for interrupts in plan.endings.values()) > 1:
        yield "several Done"
    for name in model.exits:
        if name in plan.steps:
            yield "exit with steps"
        elif name in FAILING:
            yield "Failed"
        else:
            yield "Done(interrupts=True)"
        if sum(target == name for _, _, target in plan.arrows()) > 1:
            yield "exit that is entered twice"


def _of_fanout(plan: Blueprint, model: CutModel, row: Row, branches: tuple[str, ...]) -> Iterator[str]:
    points = {model.meeting_point(one, other) for one, other in combinations(branches, 2)}
    yield "fan-in"
    if len(points) > 1:
        yield "branches that meet in pairs"
    if points & set(branches):
        yield "branch straight to the join"
    for point in points - {None}:
        assert point is not None
        for node in plan.steps.keys() & model.behind[row.source] - {row.source, point}:
            if point in model.behind[node]:
                ways = plan.ways_of(node).values()
                if len(ways) > 1:
                    yield "branch within a fan-out"
                if any(len(targets) > 1 for targets in ways):
                    yield "fan-out within a fan-out"
                if any(target in model.exits for targets in ways for target in targets):
                    yield "fan-out that is left for an exit"


def _of_merges(plan: Blueprint, model: CutModel) -> Iterator[str]:
    points = {
        model.meeting_point(one, other)
        for row in plan.rows
        for targets in row.targets.values()
        for one, other in combinations(targets, 2)
    }
    for name in model.behind.keys() - model.exits - points:
        if sum(target == name for _, _, target in plan.arrows()) > 1:
            yield "merge"
