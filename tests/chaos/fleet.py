"""The workers of a run, and the supervisor that starts them again when they exit."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.process import NO_SWITCHES, Terms, WorkerProcess

_LOOK_SECONDS: Final = 0.1
_BACKOFF_SECONDS: Final = 0.5
STOP_SECONDS: Final = 40


@dataclass
class Place:
    """Where one worker lives: its folder stays while its processes come and go.

    Attributes:
        data: The folder.
        worker: The process of now, or the last one.
        is_held: Whether a fault has taken the place, so that the supervisor leaves it alone.
        exits: The codes with which its processes ended by themselves; a kill is a negative one.
    """

    data: Path
    worker: WorkerProcess | None = None
    is_held: bool = False
    exits: list[int] = field(default_factory=list[int])

    @property
    def is_running(self) -> bool:
        return self.worker is not None and self.worker.is_running

    @property
    def partitions(self) -> set[int]:
        """What its worker owned when it last told; nothing when it is gone."""
        return self.worker.partitions if self.worker is not None and self.worker.is_running else set()


class Fleet:
    """Keeps as many workers alive as are wanted.

    Args:
        terms: What they share.
        folder: Where their folders are.
        module: Their workflows.
    """

    def __init__(self, terms: Terms, folder: Path, *, module: str) -> None:
        self.terms = terms
        self.module = module
        self.wanted = 0
        self.starts = 0
        self.places: list[Place] = []
        self._folder = folder
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def alive(self) -> list[Place]:
        """The places with a running worker that no fault has taken."""
        return [place for place in self.places if place.is_running and not place.is_held]

    def want(self, number: int) -> None:
        """Changes how many there are to be; further ones get a folder of their own."""
        self.wanted = number
        while len(self.places) < number:
            self.places.append(Place(self._folder / f"worker-{len(self.places) + 1}"))

    def begin(self) -> None:
        """Begins to supervise."""
        self._supervisor = asyncio.create_task(self._supervise(), name="supervisor")

    def start(self, place: Place, *, switches: Mapping[str, str] = NO_SWITCHES) -> None:
        """Starts a worker in a place."""
        self.starts += 1
        arguments = ["tests.chaos.worker", self.module, "--ends-with-input"]
        place.worker = WorkerProcess(self.terms, data=place.data, arguments=arguments, switches=switches)

    async def settled(self, *, within: float = 60.0) -> bool:
        """Waits until the workers that are wanted own all partitions, each by one; False if that takes too long."""
        everything = set(range(self.terms.partitions))
        places = self.places[: self.wanted]

        def is_settled() -> bool:
            owned = [partition for place in places for partition in place.partitions]
            # One that has just been started owns nothing yet, and the others have not heard of it.
            owners = sum(bool(place.partitions) for place in places)
            return owners == min(self.wanted, len(everything)) and sorted(owned) == sorted(everything)

        return await until(is_settled, within=within)

    async def stop(self, places: Sequence[Place]) -> list[int]:
        """Stops workers in order, side by side; returns their exit codes."""
        for place in places:
            place.is_held = True
        running = [place for place in places if place.is_running]
        for place in running:
            if place.worker is not None:
                place.worker.signal(signal.SIGTERM)
        await until(lambda: not any(place.is_running for place in running), within=STOP_SECONDS)
        return [_code(place) for place in running]

    async def end(self) -> list[int]:
        """Stops all of them in order for good; returns their exit codes."""
        if self._supervisor is not None:
            self._supervisor.cancel()
        return await self.stop(self.places)

    def kill(self) -> None:
        """Leaves no process behind, however frozen."""
        if self._supervisor is not None:
            self._supervisor.cancel()
        for place in self.places:
            if place.is_running and place.worker is not None:
                place.worker.kill()

    async def _supervise(self) -> None:
        while True:
            for number, place in enumerate(self.places):
                if place.is_held or place.is_running:
                    continue
                if place.worker is not None:
                    place.exits.append(_code(place))
                    place.worker = None
                    await asyncio.sleep(_BACKOFF_SECONDS)
                if number < self.wanted and not place.is_held:
                    self.start(place)
            await asyncio.sleep(_LOOK_SECONDS)


async def until(condition: Callable[[], bool], *, within: float) -> bool:
    """Waits for a condition; False if it does not come true in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not condition():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def _code(place: Place) -> int:
    code = place.worker.process.poll() if place.worker is not None else None
    return -999 if code is None else code
