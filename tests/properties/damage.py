"""Ways to spoil a valid workflow, each with the rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

from hypothesis import assume
from hypothesis import strategies as st

from hephaestus_stream.core.rule import Rule
from tests.properties.blueprint import Blueprint, Row, Spot
from tests.properties.cuts import CutModel

GRAPH_RULES = frozenset(
    {
        Rule.UNREACHABLE_NODE,
        Rule.NO_MEETING,
        Rule.BRANCH_LEAVES,
        Rule.PARTIAL_MEETING,
        Rule.FANOUT_IN_EXIT,
        Rule.BRANCH_IS_EXIT,
    }
)
"""Where arrows are taken away, these may be broken on the way."""

SiteT = TypeVar("SiteT")

Spoil = Callable[[Blueprint, st.DataObject], Blueprint]


@dataclass(frozen=True)
class Damage:
    """What is done to a blueprint, the rules that this breaks, and those that it may break beside them."""

    spoil: Spoil
    breaks: frozenset[Rule]
    besides: frozenset[Rule] = frozenset()

    def __str__(self) -> str:
        return self.spoil.__name__


def drop_a_row(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row = one_of(data, plan.rows)
    return replace(plan, rows=tuple(other for other in plan.rows if other is not row))


def wire_an_event_twice(plan: Blueprint, data: st.DataObject) -> Blueprint:
    return replace(plan, rows=(*plan.rows, one_of(data, plan.rows)))


def lead_back(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row, label = one_of(data, [(row, label) for row in plan.rows for label in row.targets])
    before = [node for node in plan.steps if row.source in plan.behind(node) or node == row.source]
    return with_targets(plan, row, label, (*row.targets[label][1:], one_of(data, before)))


def add_an_orphan(plan: Blueprint, _: st.DataObject) -> Blueprint:
    return with_step(plan, "orphan", "done")


def lead_a_branch_to_an_ending_of_its_own(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row, label = one_of(data, fanouts(plan))
    plan = replace(plan, endings={**plan.endings, "elsewhere": False})
    return with_targets(plan, row, label, (*row.targets[label][1:], "elsewhere"))


def leave_a_branch_for_an_ending_that_waits(plan: Blueprint, data: st.DataObject) -> Blueprint:
    branches = [branch for row, label in fanouts(plan) for branch in inner_branches(plan, row.targets[label])]
    plan = replace(plan, endings={**plan.endings, "elsewhere": False})
    return with_extra_event(plan, one_of(data, branches), "elsewhere")


def meet_in_part(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row, label = one_of(data, fanouts(plan))
    branches = inner_branches(plan, row.targets[label])
    assume(len(branches) > 1)
    point = CutModel(plan).meeting_point(*branches[:2])
    assert point is not None
    plan = with_step(plan, "half", point)
    return with_extra_event(with_extra_event(plan, branches[0], "half"), branches[1], "half")


def fan_out_in_an_exit(plan: Blueprint, _: st.DataObject) -> Blueprint:
    row = next(row for row in plan.rows if row.source == "undo")
    return with_targets(plan, row, None, ("tell", "undone"))


def fan_out_to_an_exit(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row, label = one_of(data, fanouts(plan))
    return with_targets(plan, row, label, (*row.targets[label], data.draw(st.sampled_from(("undo", "undone")))))


def misname_a_label(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row = one_of(data, [row for row in plan.rows if None not in row.targets])
    wrong = one_of(data, sorted(filter(None, row.targets)))
    targets = {"nowhere" if label == wrong else label: nodes for label, nodes in row.targets.items()}
    return with_row(plan, row, replace(row, targets=targets))


def name_a_target_twice(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row, label = one_of(data, [(row, label) for row in plan.rows for label in row.targets])
    return with_targets(plan, row, label, (*row.targets[label], row.targets[label][0]))


def name_no_target(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row, label = one_of(data, [(row, label) for row in plan.rows for label in row.targets])
    return with_targets(plan, row, label, ())


def end_at_a_step(plan: Blueprint, data: st.DataObject) -> Blueprint:
    row, label = one_of(data, [(row, label) for row in plan.rows for label in row.targets])
    steps = {**plan.steps, "silent": Spot("work", ())}
    return with_targets(replace(plan, steps=steps), row, label, ("silent",))


DAMAGES = (
    Damage(drop_a_row, frozenset({Rule.UNWIRED_EVENT}), GRAPH_RULES),
    Damage(wire_an_event_twice, frozenset({Rule.REWIRED_EVENT})),
    Damage(lead_back, frozenset({Rule.CYCLE}), GRAPH_RULES),
    Damage(add_an_orphan, frozenset({Rule.UNREACHABLE_NODE})),
    Damage(lead_a_branch_to_an_ending_of_its_own, frozenset({Rule.NO_MEETING}), GRAPH_RULES),
    Damage(leave_a_branch_for_an_ending_that_waits, frozenset({Rule.BRANCH_LEAVES})),
    Damage(meet_in_part, frozenset({Rule.PARTIAL_MEETING})),
    Damage(fan_out_in_an_exit, frozenset({Rule.FANOUT_IN_EXIT})),
    Damage(fan_out_to_an_exit, frozenset({Rule.BRANCH_IS_EXIT})),
    Damage(misname_a_label, frozenset({Rule.MISSING_LABEL, Rule.UNKNOWN_LABEL})),
    Damage(name_a_target_twice, frozenset({Rule.REPEATED_TARGET})),
    Damage(name_no_target, frozenset({Rule.MISSING_TARGET}), GRAPH_RULES),
    Damage(end_at_a_step, frozenset({Rule.DEAD_END}), GRAPH_RULES),
)


def one_of(data: st.DataObject, sites: Sequence[SiteT]) -> SiteT:
    assume(sites)
    return data.draw(st.sampled_from(sites))


def fanouts(plan: Blueprint) -> list[tuple[Row, str | None]]:
    return [(row, label) for row in plan.rows for label, targets in row.targets.items() if len(targets) > 1]


def inner_branches(plan: Blueprint, branches: tuple[str, ...]) -> list[str]:
    """The branches that begin with a step which can have an event more, and do not just meet another there."""
    model = CutModel(plan)
    points = {model.meeting_point(one, other) for one, other in combinations(branches, 2)}
    steps = [branch for branch in branches if branch in plan.steps and branch not in points]
    return [branch for branch in steps if plan.steps[branch].kind in {"work", "open"}]


def with_row(plan: Blueprint, row: Row, other: Row) -> Blueprint:
    return replace(plan, rows=tuple(other if each is row else each for each in plan.rows))


def with_targets(plan: Blueprint, row: Row, label: str | None, targets: tuple[str, ...]) -> Blueprint:
    return with_row(plan, row, replace(row, targets={**row.targets, label: targets}))


def with_step(plan: Blueprint, name: str, target: str) -> Blueprint:
    steps = {**plan.steps, name: Spot("work", ("e0",))}
    return replace(plan, steps=steps, rows=(*plan.rows, Row(name, "e0", {None: (target,)})))


def with_extra_event(plan: Blueprint, node: str, target: str) -> Blueprint:
    spot = plan.steps[node]
    steps = {**plan.steps, node: Spot(spot.kind, (*spot.events, "extra"))}
    return replace(plan, steps=steps, rows=(*plan.rows, Row(node, "extra", {None: (target,)})))
