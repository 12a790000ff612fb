"""Random workflows that are valid by construction: regions within regions, which know no edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

MOST_CHOICES = 3
DEEPEST = 3
MANY_NODES = 12
"""Beyond so many nothing nests any more: what goes wrong in a large graph goes wrong in a small one."""

Kind = Literal["work", "open", "wait", "signal", "patient"]
"""A step with events of its own, one that outsiders may send some of, and the waits: for a time, for ever, for both."""

EVENTS: dict[Kind, tuple[str, ...]] = {
    "work": ("e0", "e1", "e2"),
    "open": ("e0", "e1", "e2"),
    "wait": ("elapsed",),
    "signal": ("received",),
    "patient": ("received", "timed_out"),
}


@dataclass(frozen=True)
class Arms:
    """The choice opens these regions; an empty one is an arrow straight to where the node goes out.

    Attributes:
        regions: They run beside each other.
        gathered: Where the first two of them meet, before what follows it meets the others.
    """

    regions: tuple[Region, ...]
    gathered: Region | None = None


@dataclass(frozen=True)
class Jump:
    """The choice leaves out the next nodes of its region."""

    over: int


@dataclass(frozen=True)
class Leave:
    """The choice leads to an exit: to the first of these steps, or straight to its ending."""

    exit_name: str


@dataclass(frozen=True)
class Finish:
    """The choice ends the run, beside which nothing runs."""

    ending: str


Choice = Arms | Jump | Leave | Finish


@dataclass(frozen=True)
class Place:
    """A node: what each of its events leads to. Several choices of one event are the labels of a route."""

    name: str
    kind: Kind
    ways: tuple[tuple[Choice, ...], ...]

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All of them, by the number that is decided."""
        return tuple(choice for way in self.ways for choice in way)

    @property
    def words(self) -> tuple[tuple[str, str | None], ...]:
        """The event, and the label where it is routed, of each choice."""
        return tuple(
            (EVENTS[self.kind][number], f"l{index}" if len(way) > 1 else None)
            for number, way in enumerate(self.ways)
            for index in range(len(way))
        )


@dataclass(frozen=True)
class Region:
    """A sequence of nodes with one way in and one way out."""

    places: tuple[Place, ...]


@dataclass(frozen=True)
class Exit:
    """A chain of steps of which the last leads to an interrupting ending."""

    steps: tuple[str, ...]
    ending: str

    @property
    def chain(self) -> tuple[str, ...]:
        return (*self.steps, self.ending)


EXITS = {
    "refused": Exit((), "refused"),
    "undone": Exit(("undo", "tell"), "undone"),
    "told": Exit(("tell",), "undone"),  # into the middle of the former
    "stopped": Exit(("stop",), "stopped"),
}
"""`refused` and `undone` fail the run, `stopped` is a `Done(interrupts=True)`."""

EXIT_STEPS: dict[str, Kind] = {"undo": "work", "tell": "wait", "stop": "open"}


@st.composite
def regions(draw: st.DrawFn) -> Region:
    """A whole workflow."""
    return draw_region(draw, Names(), depth=0, beside=False)


@st.composite
def rich_regions(draw: st.DrawFn) -> Region:
    """A workflow that has what can be spoilt: a fan-out of two branches with steps, a route, an exit with steps."""
    names = Names()
    arms = tuple(draw_region(draw, names, depth=2, beside=True) for _ in range(2))
    ahead = Arms((Region(()),))
    opening = Place("opening", "work", ((Arms(arms),), (Leave("undone"),)))
    choosing = Place("choosing", "open", ((ahead, Leave("stopped")), (ahead,)))
    rest = draw_region(draw, names, depth=1, beside=False)
    return Region((opening, choosing, *rest.places))


class Names:
    """Names for nodes, as many as are wanted."""

    def __init__(self) -> None:
        self.given = 0

    @property
    def are_many(self) -> bool:
        return self.given >= MANY_NODES

    def another(self) -> str:
        self.given += 1
        return f"n{self.given - 1}"


def draw_region(draw: st.DrawFn, names: Names, *, depth: int, beside: bool) -> Region:
    length = 1 if names.are_many else draw(st.integers(1, 3))
    return Region(
        tuple(draw_place(draw, names, depth=depth, beside=beside, behind=length - index - 1) for index in range(length))
    )


def draw_place(draw: st.DrawFn, names: Names, *, depth: int, beside: bool, behind: int) -> Place:
    name = names.another()
    # The first choice goes on, so that no node is an exit by accident.
    choices: list[Choice] = [draw_arms(draw, names, depth=depth, beside=beside)]
    for _ in range(draw(st.integers(0, MOST_CHOICES - 1))):
        kind = draw(st.sampled_from(("arms", "jump", "leave", "leave", "finish")))
        if kind == "jump" and behind:
            choices.append(Jump(draw(st.integers(1, behind))))
        elif kind == "leave":
            choices.append(Leave(draw(st.sampled_from(sorted(EXITS)))))
        elif kind == "finish" and not beside:
            choices.append(Finish(draw(st.sampled_from(("early", "other")))))
        else:
            choices.append(draw_arms(draw, names, depth=depth, beside=beside))
    return draw_ways(draw, name, choices)


def draw_ways(draw: st.DrawFn, name: str, choices: list[Choice]) -> Place:
    """Shares the choices among the events of a kind of step: the first event is routed if it has several."""
    fitting: list[Kind] = [kind for kind in EVENTS if kind != "patient" or len(choices) > 1]
    kind = draw(st.sampled_from(fitting))
    fewest, most = (2, 2) if kind == "patient" else (1, min(len(choices), len(EVENTS[kind])))
    events = draw(st.integers(fewest, most))
    routed = len(choices) - events + 1
    return Place(name, kind, (tuple(choices[:routed]), *((choice,) for choice in choices[routed:])))


def draw_arms(draw: st.DrawFn, names: Names, *, depth: int, beside: bool) -> Arms:
    width = draw(st.sampled_from((0, 0, 1, 2, 3))) if depth < DEEPEST and not names.are_many else 0
    if width == 0:
        return Arms((Region(()),))
    straight = width > 1 and draw(st.booleans())  # one arm may lead straight on: `.to(a, join)`
    drawn = [draw_region(draw, names, depth=depth + 1, beside=beside or width > 1) for _ in range(width - straight)]
    arms = (*drawn, *([Region(())] if straight else []))
    gathered = draw_region(draw, names, depth=DEEPEST, beside=True) if width > 2 and draw(st.booleans()) else None
    return Arms(arms, gathered)


def all_places(region: Region) -> Iterator[Place]:
    """The nodes of a region and of all regions within."""
    for place in region.places:
        yield place
        for choice in place.choices:
            if isinstance(choice, Arms):
                for arm in (*choice.regions, *([choice.gathered] if choice.gathered else [])):
                    yield from all_places(arm)


@st.composite
def decisions(draw: st.DrawFn, region: Region) -> dict[str, int]:
    """Which of its choices each node will make."""
    return {place.name: draw(st.integers(0, len(place.choices) - 1)) for place in all_places(region)}


def words_of(region: Region, decided: dict[str, int]) -> dict[str, tuple[str, str | None]]:
    """The event and the label that each node will end with, those of the exits among them."""
    chosen = {place.name: place.words[decided[place.name]] for place in all_places(region)}
    return chosen | {step: (EVENTS[kind][0], None) for step, kind in EXIT_STEPS.items()}
