"""Negative controls: one protection is missing, and a short play does what it protects from."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from tests.chaos.cluster import Cluster
from tests.chaos.failpoints import FailPoint
from tests.chaos.fleet import Place, until
from tests.chaos.harness import Harness, Plan, Play
from tests.chaos.report import Report

_HAPPENS_WITHIN: Final = 30.0
_SECONDS: Final = 4.0
# Long enough for stories of some seconds; without a protection some runs never come to rest.
_PATIENCE: Final = timedelta(seconds=6)
_AFTER_SOME: Final = {"CHAOS_FAIL_AFTER": "9"}
_DIES: Final = {"CHAOS_DIE_BETWEEN": "3"}


@dataclass(frozen=True)
class Control:
    """A protection, and how to do what it protects from.

    Attributes:
        play: What happens while the load runs.
        finds: Checks of which at least one must find something without the protection.
    """

    play: Play
    finds: tuple[str, ...]


async def nothing(_harness: Harness) -> None:
    """The load alone does it."""


async def die_between(harness: Harness) -> None:
    """The worker dies between two things that are one, where its switch has parted them."""
    await _start_anew(harness, _DIES)
    await _must(lambda: not harness.fleet.places[0].is_running, "the worker did not die")
    harness.fleet.places[0].is_held = False


async def lose_all_before_commit(harness: Harness) -> None:
    """The worker dies with a transaction open, and its disk is lost with it."""
    place = harness.fleet.places[0]
    await _start_anew(harness, {"CHAOS_FAIL_POINT": FailPoint.BEFORE_COMMIT, **_AFTER_SOME, **_DIES})
    await _must(lambda: not place.is_running, "the worker did not die")
    shutil.rmtree(place.data / harness.fleet.terms.connection.namespace, ignore_errors=True)
    place.is_held = False


async def freeze_before_produce(harness: Harness) -> None:
    """The owner stops before a transaction, another takes over and works, then the former one goes on."""
    fleet, owner = harness.fleet, harness.fleet.places[0]
    await _start_anew(harness, {"CHAOS_FREEZE_POINT": FailPoint.BEFORE_PRODUCE, **_AFTER_SOME})
    await _must(lambda: _is_stopped(owner), "the owner did not freeze")
    fleet.want(2)
    heir = fleet.places[1]
    await _must(lambda: len(heir.partitions) == fleet.terms.partitions, "nobody took over")
    answered = harness.load.answered
    await _must(lambda: harness.load.answered > answered, "the heir answers nothing")
    _wake(owner)
    # Fenced it leaves, else it works on.
    await until(lambda: not owner.is_running, within=_PATIENCE.total_seconds())
    fleet.want(1)
    heir.is_held = True
    await fleet.stop([heir])
    owner.is_held = False


_ONE_HISTORY: Final = "a history is numbered from 1 without gap or repetition"
_ONE_EFFECT: Final = "an accepted command has one effect, a refused one none"
_DATABASE: Final = "a database is what the changelog added up to when it was written"
_ITS_PLACE: Final = "an answer names the place where its command stands first"

CONTROLS: Final[dict[str, Control]] = {
    "fencing": Control(freeze_before_produce, (_ONE_HISTORY, _ITS_PLACE)),
    "one-position": Control(die_between, (_ITS_PLACE,)),
    "database-last": Control(die_between, (_ONE_HISTORY, _ONE_EFFECT, _DATABASE)),
    "committed-replay": Control(lose_all_before_commit, (_ONE_HISTORY, _ONE_EFFECT, _DATABASE)),
    "join": Control(nothing, ("a history is legal against the graph",)),
    "command-ids": Control(nothing, ("all answers to a command say the same",)),
    "patience": Control(nothing, ("a timer does not fire before it is due",)),
}


async def run_control(name: str, cluster: Cluster, folder: Path, *, without: bool, seed: int = 1) -> Report:
    """Plays a control.

    Args:
        name: Of the protection.
        cluster: Where.
        folder: For databases and logs.
        without: Whether the protection is taken away; with it the same play must do no damage.
        seed: Of the load.
    """
    # One partition, so that the n-th passing of a point is always that of the same commit.
    plan = Plan(
        seconds=_SECONDS,
        workers=1,
        partitions=1,
        seed=seed,
        patience=_PATIENCE if without else Plan.patience,
        switches={"CHAOS_WITHOUT": name} if without else {},
    )
    return await Harness(plan, cluster, folder).run(CONTROLS[name].play)


async def _start_anew(harness: Harness, switches: Mapping[str, str]) -> None:
    """Stops the first worker, and starts it with further switches; the supervisor does not look at it meanwhile."""
    place = harness.fleet.places[0]
    await harness.fleet.stop([place])
    harness.fleet.start(place, switches=switches)


async def _must(condition: Callable[[], bool], otherwise: str) -> None:
    if not await until(condition, within=_HAPPENS_WITHIN):
        raise AssertionError(otherwise)


def _is_stopped(place: Place) -> bool:
    if place.worker is None:
        return False
    # The process is a child of ours, which tells when it stops; that it is left waiting lets others hear it, too.
    found = os.waitid(os.P_PID, place.worker.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


def _wake(place: Place) -> None:
    if place.worker is not None:
        place.worker.signal(signal.SIGCONT)
