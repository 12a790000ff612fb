"""The faults: each is a short play with a worker or a broker, and leaves everything running."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.cluster import Cluster
from tests.chaos.failpoints import FailPoint
from tests.chaos.fleet import Fleet, Place, until

_LEAVES_WITHIN: Final = 30.0
_DIES_WITHIN: Final = 15.0
_OF_OPENINGS: Final = (FailPoint.AFTER_INIT_TRANSACTIONS, FailPoint.IN_REPLAY, FailPoint.BEFORE_FIRST_POSITION)
_AWAY_SECONDS: Final = 30.0
_DAMAGE_BYTES: Final = 64


@dataclass
class Scene:
    """What faults happen to.

    Attributes:
        fleet: The workers.
        cluster: The brokers.
        chance: Chooses whom it hits, and when.
        problems: What workers did that they must not, besides what the topics tell.
        brokers_break: Whether brokers may be away while a worker is told to stop, which it then cannot do in order.
        damaged: Databases that a fault has damaged: until their owner reads the spot, nobody can know.
    """

    fleet: Fleet
    cluster: Cluster
    chance: random.Random
    problems: list[str]
    brokers_break: bool = False
    damaged: set[Path] = field(default_factory=set[Path])

    def victim(self) -> Place | None:
        """A worker that runs, rather one that owns something."""
        alive = self.fleet.alive
        return self.chance.choice([place for place in alive if place.partitions] or alive) if alive else None


Fault = Callable[[Scene, Place], Awaitable[str]]
BrokerFault = Callable[[Scene], Awaitable[str]]


async def kill(_scene: Scene, victim: Place) -> str:
    """`kill -9` at a random moment."""
    _kill(victim)
    return f"killed {victim.data.name}"


async def stop(scene: Scene, victim: Place) -> str:
    """A rolling restart: each worker is told to stop, and started again when all is settled."""
    codes: list[int] = []
    for place in [victim, *(place for place in scene.fleet.alive if place is not victim)]:
        stopped = await scene.fleet.stop([place])
        if any(stopped) and not scene.brokers_break:
            scene.problems.append(f"{place.data.name} was told to stop, and ended with {stopped}")
        codes += stopped
        place.worker = None
        place.is_held = False
        await scene.fleet.settled(within=_LEAVES_WITHIN)
    return f"restarted {len(codes)} workers, which ended with {codes}"


async def freeze(scene: Scene, victim: Place) -> str:
    """An owner stops past its session and comes back: it must be fenced and leave."""
    # In the midst of a rebalance it has closed everything, and need not leave; a worker that was killed causes one more
    # when its session is over.
    session = scene.fleet.terms.session_seconds
    await scene.fleet.settled(within=_LEAVES_WITHIN)
    await asyncio.sleep(session + 1)
    is_owner = await scene.fleet.settled(within=_LEAVES_WITHIN) and victim.is_running
    victim.is_held = True
    lost = victim.partitions
    others = [place for place in scene.fleet.alive if place is not victim]
    _signal(victim, signal.SIGSTOP)
    await asyncio.sleep(session + scene.chance.uniform(3, 8))
    heirs = set[int]().union(*(place.partitions for place in others)) & lost
    _signal(victim, signal.SIGCONT)
    left = await until(lambda: not victim.is_running, within=_LEAVES_WITHIN)
    if heirs and is_owner and not left:
        scene.problems.append(f"{victim.data.name} was frozen while {heirs} went to others, and does not leave")
    victim.is_held = False
    return f"froze {victim.data.name}, others took {sorted(heirs)} of {sorted(lost)}, it {'left' if left else 'stayed'}"


async def scale(scene: Scene, _victim: Place) -> str:
    """Down to one worker, up to twice as many as before, down to one, and back."""
    fleet, before = scene.fleet, scene.fleet.wanted
    numbers = (1, min(2 * before, fleet.terms.partitions), 1, before)
    for number in numbers:
        fleet.want(number)
        surplus = fleet.places[number:]
        await fleet.stop(surplus)
        for place in surplus:
            place.worker, place.is_held = None, False
        await fleet.settled(within=_LEAVES_WITHIN)
    return f"scaled {' -> '.join(map(str, (before, *numbers)))}"


async def fail_point(scene: Scene, victim: Place) -> str:
    """The worker is started again as one that kills itself at a point of a commit or an opening."""
    point = scene.chance.choice(list(FailPoint))
    passing = scene.chance.choice((1, 2) if point in _OF_OPENINGS else (1, 2, 5, 20))
    victim.is_held = True
    _kill(victim)
    scene.fleet.start(victim, switches={"CHAOS_FAIL_POINT": point, "CHAOS_FAIL_AFTER": str(passing)})
    died = await until(lambda: not victim.is_running, within=_DIES_WITHIN)
    _kill(victim)  # else it would die at any later moment
    victim.is_held = False
    return f"{victim.data.name} {'died' if died else 'did not come to die'} at {point} #{passing}"


async def lose_disk(scene: Scene, victim: Place) -> str:
    """A worker comes back without its databases."""
    victim.is_held = True
    _kill(victim)
    shutil.rmtree(_databases(scene, victim), ignore_errors=True)
    victim.is_held = False
    return f"deleted the databases of {victim.data.name}"


async def bring_back_disk(scene: Scene, victim: Place) -> str:
    """A worker comes back with databases of some time ago."""
    victim.is_held = True
    await scene.fleet.stop([victim])
    databases = _databases(scene, victim)
    aside = databases.with_name("aside")
    shutil.copytree(databases, aside)
    victim.worker, victim.is_held = None, False
    await asyncio.sleep(scene.chance.uniform(5, 10))
    victim.is_held = True
    _kill(victim)
    shutil.rmtree(databases)
    aside.rename(databases)
    victim.is_held = False
    return f"{victim.data.name} has its old databases"


async def damage_disk(scene: Scene, victim: Place) -> str:
    """Some bytes of a database are something else."""
    victim.is_held = True
    _kill(victim)
    files = [path for path in _databases(scene, victim).glob("*/*") if path.is_file() and path.stat().st_size]
    # Tables and logs, and any file at all.
    records = [path for path in files if path.suffix in {".sst", ".log"}]
    hit = [*scene.chance.sample(records, min(3, len(records))), *scene.chance.sample(files, min(1, len(files)))]
    for path in hit:
        _damage(path, scene.chance)
        scene.damaged.add(path.parent)
    victim.is_held = False
    return f"damaged {', '.join(f'{path.parent.name}/{path.name}' for path in hit)} of {victim.data.name}"


async def kill_broker(scene: Scene) -> str:
    """A broker dies, and is started again some seconds later; of several, the others elect new leaders."""
    number, seconds = scene.chance.choice(scene.cluster.brokers), scene.chance.uniform(1, 8)
    await asyncio.to_thread(scene.cluster.kill, number)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(scene.cluster.heal)
    return f"killed broker {number} for {seconds:.0f} s"


async def freeze_broker(scene: Scene) -> str:
    """A broker stands still for some seconds."""
    number, seconds = scene.chance.choice(scene.cluster.brokers), scene.chance.uniform(2, 12)
    await asyncio.to_thread(scene.cluster.freeze, number)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(scene.cluster.heal)
    return f"froze broker {number} for {seconds:.0f} s"


async def lose_brokers(scene: Scene) -> str:
    """All brokers are away for half a minute."""
    await asyncio.to_thread(scene.cluster.kill, *scene.cluster.brokers)
    await asyncio.sleep(_AWAY_SECONDS)
    await asyncio.to_thread(scene.cluster.heal)
    return f"all brokers were away for {_AWAY_SECONDS:.0f} s"


WORKER_FAULTS: Final[dict[str, Fault]] = {
    "kill": kill,
    "freeze": freeze,
    "stop": stop,
    "scale": scale,
    "fail-point": fail_point,
    "disk-lost": lose_disk,
    "disk-old": bring_back_disk,
    "disk-damaged": damage_disk,
}
BROKER_FAULTS: Final[dict[str, BrokerFault]] = {
    "broker-kill": kill_broker,
    "broker-freeze": freeze_broker,
    "brokers-away": lose_brokers,
}


async def heal(scene: Scene) -> None:
    """Whatever a fault was about to do: everything runs again."""
    await asyncio.to_thread(scene.cluster.heal)
    for place in scene.fleet.places:
        _signal(place, signal.SIGCONT)
        place.is_held = False


def _kill(place: Place) -> None:
    if place.worker is not None:
        place.worker.kill()


def _databases(scene: Scene, place: Place) -> Path:
    """The folder of a worker's databases; there once it has opened one."""
    folder = place.data / scene.fleet.terms.connection.namespace / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _signal(place: Place, number: signal.Signals) -> None:
    if place.worker is not None and place.is_running:
        place.worker.signal(number)


def _damage(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(chance.randrange(max(1, path.stat().st_size - _DAMAGE_BYTES)))
        file.write(chance.randbytes(_DAMAGE_BYTES))
