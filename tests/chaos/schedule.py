"""When which fault happens: workers and brokers have a line of their own, so that their faults meet."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.faults import BROKER_FAULTS, WORKER_FAULTS, Scene
from tests.chaos.fleet import until

_REST: Final = (1.0, 5.0)
_SOMEBODY_LIVES_WITHIN: Final = 30.0


@dataclass(frozen=True)
class Happening:
    """A fault that happened.

    Attributes:
        name: Which.
        at: Seconds from the beginning of the run.
        took: How long it took.
        what: What it did.
    """

    name: str
    at: float
    took: float
    what: str


class Schedule:
    """Lets faults happen until it is told to stop; each comes once before any comes again.

    Args:
        scene: What they happen to.
        names: Which faults.
        seed: Of their order and moments.
    """

    def __init__(self, scene: Scene, names: Sequence[str], *, seed: int) -> None:
        self._scene = scene
        self._chance = random.Random(f"schedule {seed}")  # noqa: S311 - the same faults each time
        self._workers = [name for name in names if name in WORKER_FAULTS]
        self._brokers = [name for name in names if name in BROKER_FAULTS]
        self._began = time.monotonic()
        self.happenings: list[Happening] = []
        self.now: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Returns when the faults that are under way are over."""
        self._began = time.monotonic()
        await asyncio.gather(self._line(self._workers, stop), self._line(self._brokers, stop))

    async def once(self) -> None:
        """Lets each fault happen once, one after the other."""
        self._began = time.monotonic()
        for name in (*self._workers, *self._brokers):
            await self._play(name)

    async def _line(self, names: Sequence[str], stop: asyncio.Event) -> None:
        async for name in self._in_turn(names, stop):
            await self._play(name)

    async def _play(self, name: str) -> None:
        began = time.monotonic()
        self.now.add(name)
        try:
            what = await self._happen(name)
        finally:
            self.now.discard(name)
        at = began - self._began
        self.happenings.append(Happening(name, round(at, 1), round(time.monotonic() - began, 1), what))

    async def _happen(self, name: str) -> str:
        if name in BROKER_FAULTS:
            return await BROKER_FAULTS[name](self._scene)
        await until(lambda: self._scene.victim() is not None, within=_SOMEBODY_LIVES_WITHIN)
        victim = self._scene.victim()
        return "found no worker" if victim is None else await WORKER_FAULTS[name](self._scene, victim)

    async def _in_turn(self, names: Sequence[str], stop: asyncio.Event) -> AsyncGenerator[str]:
        while names:
            for name in self._chance.sample(names, len(names)):
                if await _stopped(stop, within=self._chance.uniform(*_REST)):
                    return
                yield name


async def _stopped(stop: asyncio.Event, *, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            await stop.wait()
    except TimeoutError:
        return False
    return True
