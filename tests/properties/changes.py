"""Known changes of a workflow's plan: what its author may do to it between two versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st

from hephaestus_stream import WorkflowDefinitionError
from hephaestus_stream.core.definition import Definition
from tests.properties.blueprint import FAILING, Blueprint, Row, Spot
from tests.properties.flows import nodes_of, transition, written
from tests.properties.regions import EVENTS, Kind

T = TypeVar("T")

WORDY: tuple[Kind, ...] = ("work", "open")
WORDS = ("e0", "e1", "e2", "extra")
"""The events of the kinds that have some of their own."""

Arrow = tuple[int, str | None, int]
"""A row's number, a label, and the place among its targets."""


MOST_CHANGES = 2


@st.composite
def changed(draw: st.DrawFn, plan: Blueprint, near: AbstractSet[str]) -> tuple[str, Blueprint]:
    """A plan after a few changes, most of them near these nodes, with the first change in a word."""
    changes: dict[str, Callable[[Pick, Blueprint], Blueprint]] = {
        "added node": add_node,
        "removed node": remove_node,
        "turned ending": turn_ending,
        "renamed event": rename_event,
        "turned kind": turn_kind,
        "added branch": add_branch,
        "added event": add_event,
    }
    pick = Pick(draw, near)
    words = draw(st.lists(st.sampled_from(sorted(changes)), min_size=1, max_size=MOST_CHANGES), label="changes")
    for word in words:
        plan = reached(changes[word](pick, plan))
    return words[0], plan


class Pick:
    """Draws what is changed: rather what a run has come to, where a change is more likely to matter."""

    def __init__(self, draw: st.DrawFn, near: AbstractSet[str]) -> None:
        self._draw = draw
        self._near = near

    def one(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def node(self, names: AbstractSet[str]) -> str:
        close = sorted(self._near & names)
        return self.one(close if close and self._draw(st.integers(0, 2)) < 2 else sorted(names))

    def arrow(self, plan: Blueprint) -> Arrow:
        source = self.node({row.source for row in plan.rows})
        return self.one([arrow for arrow in arrows_of(plan) if plan.rows[arrow[0]].source == source])


def version_of(plan: Blueprint, version: int) -> Definition | None:
    """The workflow of a plan; None where class creation refuses it."""
    nodes = nodes_of(plan)
    table = tuple(transition(nodes, row) for row in plan.rows)
    body = {"start": nodes[plan.start], "transitions": table}
    try:
        return written(nodes, body, {"key": "random", "version": version}).definition
    except WorkflowDefinitionError:
        return None


def add_node(pick: Pick, plan: Blueprint) -> Blueprint:
    """A step comes between two nodes."""
    arrow = pick.arrow(plan)
    old = target_at(plan, arrow)
    name = new_name(plan)
    return with_added(pick, with_targets(plan, arrow, replaced=(name,)), name, onward=old)


def remove_node(pick: Pick, plan: Blueprint) -> Blueprint:
    """What led to a step leads to where its first word led."""
    gone = pick.node(plan.steps.keys())
    following = next(iter(plan.ways_of(gone).values()))
    first, *others = following
    if gone == plan.start and (others or first not in plan.steps):
        return plan
    rows = tuple(
        replace(row, targets={label: without(targets, gone, following) for label, targets in row.targets.items()})
        for row in plan.rows
        if row.source != gone
    )
    steps = {name: spot for name, spot in plan.steps.items() if name != gone}
    return replace(plan, steps=steps, rows=rows, start=first if gone == plan.start else plan.start)


def turn_ending(pick: Pick, plan: Blueprint) -> Blueprint:
    """An ending begins to interrupt, or no longer does."""
    turned = pick.one(sorted(plan.endings))
    interrupts = turned in FAILING or not plan.endings[turned]
    return replace(plan, endings={**plan.endings, turned: interrupts})


def rename_event(pick: Pick, plan: Blueprint) -> Blueprint:
    """An event of a step gets another name; an open step may lose or gain a word of outsiders by it."""
    spacious = {name for name, spot in plan.steps.items() if spot.kind in WORDY and len(spot.events) < len(WORDS)}
    named = [row for row in plan.rows if row.source in spacious]
    if not named:
        return plan
    source = pick.node({row.source for row in named})
    row = pick.one([row for row in named if row.source == source])
    spot = plan.steps[row.source]
    new = pick.one([word for word in WORDS if word not in spot.events])
    events = tuple(new if event == row.event else event for event in spot.events)
    rows = tuple(replace(each, event=new) if each is row else each for each in plan.rows)
    return replace(plan, steps={**plan.steps, row.source: Spot(spot.kind, events)}, rows=rows)


def turn_kind(pick: Pick, plan: Blueprint) -> Blueprint:
    """Outsiders may no longer send a step's events, or begin to."""
    wordy = {name for name, spot in plan.steps.items() if spot.kind in WORDY}
    if not wordy:
        return plan
    name = pick.node(wordy)
    spot = plan.steps[name]
    return replace(plan, steps={**plan.steps, name: Spot("work" if spot.kind == "open" else "open", spot.events)})


def add_branch(pick: Pick, plan: Blueprint) -> Blueprint:
    """A step runs beside what follows an event, and leads to where that leads."""
    arrow = pick.arrow(plan)
    beside = target_at(plan, arrow)
    onward = pick.one(sorted(plan.behind(beside)) or [beside])
    name = new_name(plan)
    return with_added(pick, with_targets(plan, arrow, replaced=(beside, name)), name, onward=onward)


def add_event(pick: Pick, plan: Blueprint) -> Blueprint:
    """A step gets a word more."""
    spacious = {name for name, spot in plan.steps.items() if spot.kind in WORDY and len(spot.events) < len(WORDS)}
    if not spacious:
        return plan
    name = pick.node(spacious)
    spot = plan.steps[name]
    new = pick.one([word for word in WORDS if word not in spot.events])
    target = pick.one(sorted(plan.behind(name)))
    steps = {**plan.steps, name: Spot(spot.kind, (*spot.events, new))}
    return replace(plan, steps=steps, rows=(*plan.rows, Row(name, new, {None: (target,)})))


def reached(plan: Blueprint) -> Blueprint:
    """The plan without what nothing leads to any more."""
    used = plan.behind(plan.start) | {plan.start}
    return Blueprint(
        {name: spot for name, spot in plan.steps.items() if name in used},
        {name: interrupts for name, interrupts in plan.endings.items() if name in used},
        tuple(row for row in plan.rows if row.source in used),
        plan.start,
    )


def new_name(plan: Blueprint) -> str:
    return next(name for number in range(len(plan.steps) + 1) if (name := f"added{number}") not in plan.steps)


def arrows_of(plan: Blueprint) -> list[Arrow]:
    return [
        (number, label, place)
        for number, row in enumerate(plan.rows)
        for label, targets in row.targets.items()
        for place in range(len(targets))
    ]


def target_at(plan: Blueprint, arrow: Arrow) -> str:
    number, label, place = arrow
    return plan.rows[number].targets[label][place]


def with_targets(plan: Blueprint, arrow: Arrow, *, replaced: tuple[str, ...]) -> Blueprint:
    """The plan with other targets in the place of one."""
    number, label, place = arrow
    row = plan.rows[number]
    targets: Mapping[str | None, tuple[str, ...]] = {
        **row.targets,
        label: (*row.targets[label][:place], *replaced, *row.targets[label][place + 1 :]),
    }
    return replace(plan, rows=(*plan.rows[:number], replace(row, targets=targets), *plan.rows[number + 1 :]))


def with_added(pick: Pick, plan: Blueprint, name: str, *, onward: str) -> Blueprint:
    """The plan with the new step, all of whose words lead onward."""
    kind = pick.one(list(EVENTS))
    events = EVENTS[kind] if kind == "patient" else EVENTS[kind][:1]
    rows = (*plan.rows, *(Row(name, event, {None: (onward,)}) for event in events))
    return replace(plan, steps={**plan.steps, name: Spot(kind, events)}, rows=rows)


def without(targets: tuple[str, ...], gone: str, following: tuple[str, ...]) -> tuple[str, ...]:
    """The targets, each once, with what follows a removed node in its place."""
    kept = [name for target in targets for name in (following if target == gone else (target,))]
    return tuple(dict.fromkeys(kept))
