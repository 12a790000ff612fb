"""Random workflows that are valid by construction, and what they should do, told by their construction.

A region is a sequence of nodes with one way in and one way out. Each node has choices; a choice opens arms, regions
that run beside each other and go out where the node goes out. The model below walks this tree: it knows no edges, so
it shares nothing with the engine's join rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from hypothesis import strategies as st

MOST_CHOICES = 3
DEEPEST = 3


@dataclass(frozen=True)
class Arms:
    """The choice opens these regions; an empty one is an arrow straight to where the node goes out."""

    regions: tuple[Region, ...]


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
    """A node: its choices, and whether they are labels of a route or events."""

    name: str
    choices: tuple[Choice, ...]
    routed: bool


@dataclass(frozen=True)
class Region:
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Exit:
    """A chain of steps of which the last leads to an interrupting ending."""

    steps: tuple[str, ...]
    ending: str

    def after(self, step: str) -> str:
        return (*self.steps, self.ending)[self.steps.index(step) + 1]

    @property
    def first(self) -> str:
        return (*self.steps, self.ending)[0]


EXITS = {
    "refused": Exit((), "refused"),
    "undone": Exit(("undo", "tell"), "undone"),
    "stopped": Exit(("stop",), "stopped"),
}
"""`refused` and `undone` fail the run, `stopped` is a `Done(interrupts=True)`."""


@st.composite
def regions(draw: st.DrawFn) -> Region:
    """A whole workflow."""
    numbers = count()
    return draw_region(draw, numbers, depth=0, beside=False, shortest=1)


def draw_region(draw: st.DrawFn, numbers: Iterator[int], *, depth: int, beside: bool, shortest: int) -> Region:
    length = draw(st.integers(shortest, 3))
    return Region(
        tuple(
            draw_place(draw, numbers, depth=depth, beside=beside, behind=length - index - 1) for index in range(length)
        )
    )


def draw_place(draw: st.DrawFn, numbers: Iterator[int], *, depth: int, beside: bool, behind: int) -> Place:
    name = f"n{next(numbers)}"
    # The first choice goes on, so that no node is an exit by accident.
    choices: list[Choice] = [draw_arms(draw, numbers, depth=depth, beside=beside)]
    for _ in range(draw(st.integers(0, MOST_CHOICES - 1))):
        kind = draw(st.sampled_from(("arms", "jump", "leave", "leave", "finish")))
        if kind == "jump" and behind:
            choices.append(Jump(draw(st.integers(1, behind))))
        elif kind == "leave":
            choices.append(Leave(draw(st.sampled_from(sorted(EXITS)))))
        elif kind == "finish" and not beside:
            choices.append(Finish("early"))
        else:
            choices.append(draw_arms(draw, numbers, depth=depth, beside=beside))
    return Place(name, tuple(choices), routed=len(choices) > 1 and draw(st.booleans()))


def draw_arms(draw: st.DrawFn, numbers: Iterator[int], *, depth: int, beside: bool) -> Arms:
    width = draw(st.sampled_from((0, 0, 1, 2, 3))) if depth < DEEPEST else 0
    if width == 0:
        return Arms((Region(()),))
    straight = width > 1 and draw(st.booleans())  # one arm may lead straight on: `.to(a, join)`
    drawn = [
        draw_region(draw, numbers, depth=depth + 1, beside=beside or width > 1, shortest=1)
        for _ in range(width - straight)
    ]
    return Arms((*drawn, *([Region(())] if straight else [])))


@dataclass
class Expected:
    """What should have happened after some nodes were completed.

    Attributes:
        started: The nodes that should have started.
        ending: The ending that should have been reached, or None while the run goes on.
    """

    started: set[str] = field(default_factory=set[str])
    ending: str | None = None


def expected(region: Region, decided: Mapping[str, int], completed: list[str]) -> Expected:
    """What follows from the nodes completed so far, in the order of their completion."""
    found = Expected()
    done = set(completed)
    through = walk(region, found, decided, done)
    if through and found.ending is None:
        found.ending = "done"
    for name in completed:
        take_exit(region, found, chosen=name, decided=decided, completed=done)
    return found


def walk(region: Region, found: Expected, decided: Mapping[str, int], completed: set[str]) -> bool:
    """Whether a region has been gone through, by whatever way."""
    index = 0
    while index < len(region.places):
        place = region.places[index]
        found.started.add(place.name)
        if place.name not in completed:
            return False
        index += 1
        match place.choices[decided[place.name]]:
            case Arms(regions=arms):
                # All arms are walked, whether the first is through or not.
                through = [walk(arm, found, decided, completed) for arm in arms]
                if not all(through):
                    return False
            case Jump(over=over):
                index += over
            case Leave():
                return False
            case Finish(ending=ending):
                found.ending = ending
                return False
    return True


def take_exit(region: Region, found: Expected, *, chosen: str, decided: Mapping[str, int], completed: set[str]) -> None:
    """Goes the way out that a completed node has chosen, as far as its steps are completed."""
    choice = next((place.choices[decided[chosen]] for place in all_places(region) if place.name == chosen), None)
    if not isinstance(choice, Leave):
        return
    way_out = EXITS[choice.exit_name]
    for step in way_out.steps:
        found.started.add(step)
        if step not in completed:
            return
    found.ending = way_out.ending


def all_places(region: Region) -> Iterator[Place]:
    for place in region.places:
        yield place
        for choice in place.choices:
            if isinstance(choice, Arms):
                for arm in choice.regions:
                    yield from all_places(arm)
