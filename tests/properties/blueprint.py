"""A workflow as plain words: what a user would write, before it becomes a class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.properties.regions import (
    EVENTS,
    EXIT_STEPS,
    EXITS,
    Arms,
    Choice,
    Finish,
    Jump,
    Kind,
    Leave,
    Place,
    Region,
    all_places,
)

ENDINGS = {"done": False, "early": False, "other": False, "refused": True, "undone": True, "stopped": True}
"""The endings, and whether each interrupts what runs beside it."""

FAILING = frozenset({"refused", "undone"})


@dataclass(frozen=True)
class Spot:
    """A step of a kind, and the events that it declares."""

    kind: Kind
    events: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What follows an event; the label None stands for no route."""

    source: str
    event: str
    targets: Mapping[str | None, tuple[str, ...]]


@dataclass(frozen=True)
class Blueprint:
    """The steps by name, the endings, the table, and the start."""

    steps: Mapping[str, Spot]
    endings: Mapping[str, bool]
    rows: tuple[Row, ...]
    start: str

    def arrows(self) -> Iterator[tuple[str, tuple[str, str | None], str]]:
        """All arrows, as source, word and target."""
        for row in self.rows:
            for label, targets in row.targets.items():
                for target in targets:
                    yield row.source, (row.event, label), target

    def ways_of(self, node: str) -> dict[tuple[str, str | None], tuple[str, ...]]:
        """What each word of a node opens."""
        return {
            (row.event, label): targets
            for row in self.rows
            if row.source == node
            for label, targets in row.targets.items()
        }

    def behind(self, node: str) -> set[str]:
        """The nodes that can be reached over at least one arrow."""
        onward: dict[str, set[str]] = defaultdict(set)
        for source, _, target in self.arrows():
            onward[source].add(target)
        found: set[str] = set()
        frontier = [node]
        while frontier:
            fresh = onward[frontier.pop()] - found
            found |= fresh
            frontier.extend(fresh)
        return found


def blueprint(region: Region) -> Blueprint:
    """What can be reached of a region's graph."""
    steps = {place.name: Spot(place.kind, EVENTS[place.kind][: len(place.ways)]) for place in all_places(region)}
    steps |= {step: Spot(kind, EVENTS[kind][:1]) for step, kind in EXIT_STEPS.items()}
    rows = [*rows_of_exits(), *rows_of_region(region, onward="done")]
    start = region.places[0].name
    whole = Blueprint(steps, ENDINGS, tuple(rows), start)
    used = whole.behind(start) | {start}
    return Blueprint(
        {name: spot for name, spot in steps.items() if name in used},
        {name: interrupts for name, interrupts in ENDINGS.items() if name in used},
        tuple(row for row in rows if row.source in used),
        start,
    )


def rows_of_exits() -> Iterator[Row]:
    following = {
        step: way_out.chain[index + 1] for way_out in EXITS.values() for index, step in enumerate(way_out.steps)
    }
    for step, target in following.items():
        yield Row(step, EVENTS[EXIT_STEPS[step]][0], {None: (target,)})


def rows_of_region(region: Region, *, onward: str) -> Iterator[Row]:
    for index, place in enumerate(region.places):
        # What a choice may lead to: the next nodes of the region, and then where the region goes out.
        following = [*(later.name for later in region.places[index + 1 :]), onward]
        yield from rows_of_place(place, following)
        for choice in place.choices:
            if isinstance(choice, Arms):
                yield from rows_of_arms(choice, onward=following[0])


def rows_of_place(place: Place, following: list[str]) -> Iterator[Row]:
    for event, way in zip(EVENTS[place.kind], place.ways, strict=False):
        if len(way) == 1:
            yield Row(place.name, event, {None: targets_of(way[0], following)})
        else:
            yield Row(
                place.name, event, {f"l{number}": targets_of(choice, following) for number, choice in enumerate(way)}
            )


def rows_of_arms(arms: Arms, *, onward: str) -> Iterator[Row]:
    for number, arm in enumerate(arms.regions):
        inner = arms.gathered is not None and number < 2
        yield from rows_of_region(arm, onward=arms.gathered.places[0].name if arms.gathered and inner else onward)
    if arms.gathered is not None:
        yield from rows_of_region(arms.gathered, onward=onward)


def targets_of(choice: Choice, following: list[str]) -> tuple[str, ...]:
    match choice:
        case Arms(regions=arms, gathered=gathered):
            # An empty arm leads to where it meets the others.
            outs = [gathered.places[0].name if gathered and number < 2 else following[0] for number in range(len(arms))]
            return tuple(arm.places[0].name if arm.places else out for arm, out in zip(arms, outs, strict=True))
        case Jump(over=over):
            return (following[over],)
        case Leave(exit_name=exit_name):
            return (EXITS[exit_name].chain[0],)
        case Finish(ending=ending):
            return (ending,)
