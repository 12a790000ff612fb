"""What a run of a region should do, told by its construction: it knows no edges, and shares nothing with the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.properties.regions import EXITS, Arms, Finish, Jump, Leave, Region, all_places


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
    """What follows from the nodes completed so far."""
    found = Expected()
    done = set(completed)
    if walk(region, found, decided, done) and found.ending is None:
        found.ending = "done"
    for place in all_places(region):
        choice = place.choices[decided[place.name]]
        if place.name in done and isinstance(choice, Leave):
            take_exit(choice, found, done)
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
            case Arms() as arms:
                if not walk_arms(arms, found, decided, completed):
                    return False
            case Jump(over=over):
                index += over
            case Leave():
                return False
            case Finish(ending=ending):
                found.ending = ending
                return False
    return True


def walk_arms(arms: Arms, found: Expected, decided: Mapping[str, int], completed: set[str]) -> bool:
    # All arms are walked, whether the first is through or not.
    through = [walk(arm, found, decided, completed) for arm in arms.regions]
    if arms.gathered is not None and all(through[:2]):
        through.append(walk(arms.gathered, found, decided, completed))
    return all(through)


def take_exit(choice: Leave, found: Expected, completed: set[str]) -> None:
    """Goes the way out that a completed node has chosen, as far as its steps are completed."""
    way_out = EXITS[choice.exit_name]
    for step in way_out.steps:
        found.started.add(step)
        if step not in completed:
            return
    found.ending = way_out.ending
