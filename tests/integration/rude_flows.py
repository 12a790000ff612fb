"""A step, a route and a model that do what no code should, in a worker that has other things to do."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Literal, NoReturn, cast

from pydantic import BaseModel, field_serializer, field_validator

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, Workflow

RAISED: dict[str, type[BaseException]] = {
    each.__name__: each
    for each in (SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError, asyncio.CancelledError)
}


class Mischief(BaseModel):
    """What the step is to do, or the model itself."""

    does: str

    @field_validator("does")
    @classmethod
    def raises(cls, does: str) -> str:
        if does.startswith("validator "):
            raise RAISED[does.removeprefix("validator ")]
        return does


class Unwritable(BaseModel):
    """Raises when it is written."""

    kind: str

    @field_serializer("kind")
    def write(self, kind: str) -> str:
        raise RAISED[kind]


class Anything(BaseModel):
    """Takes anything."""

    value: Any = None


class Careless:
    """Raises when nobody needs it any more."""

    def __del__(self) -> None:
        raise RuntimeError("in __del__")


async def forever() -> None:
    await asyncio.sleep(3_600)


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("nobody awaits this")


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def endless() -> Generator[int]:
    while True:
        yield 1


def leak_tasks() -> Outcome:
    for _ in range(100):
        asyncio.ensure_future(fail_later())  # noqa: RUF006 - that is the mischief
        asyncio.ensure_future(forever())  # noqa: RUF006
    return Rude.fine()


def leak_thread() -> Outcome:
    threading.Thread(target=time.sleep, args=(3_600,)).start()
    return Rude.fine()


def drop_careless() -> Outcome:
    Careless()
    gc.collect()
    return Rude.fine()


def throw(name: str) -> NoReturn:
    raise RAISED[name]


def unwritable(kind: str) -> Outcome:
    return Rude.unwritable(Unwritable.model_construct(kind=kind))


def routed() -> Outcome:
    return Rude.routed()


class Other(Step[Mischief]):
    """Whose event is not that of the rude one."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Mischief]) -> Outcome:
        return self.done()


class Rude(Step[Mischief]):
    """Does what its start says."""

    fine = Event()
    odd = Event(Anything)
    unwritable = Event(Unwritable)
    routed = Event()
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Mischief]) -> Outcome:
        return cast("Outcome", MISCHIEF[context.initial.does][0]())


# What it does, and the type of the error that its run fails with; None where it completes.
MISCHIEF: dict[str, tuple[Callable[[], object], str | None]] = {
    "returns None": (lambda: None, "BadOutcome"),
    "returns a number": (lambda: 5, "BadOutcome"),
    "returns a coroutine function": (lambda: forever, "BadOutcome"),
    "returns an endless generator": (endless, "BadOutcome"),
    "returns another step's event": (lambda: Other().done(), "BadOutcome"),
    "returns a set": (lambda: Rude.odd(Anything(value={1, 2})), None),
    "returns bytes": (lambda: Rude.odd(Anything(value=b"\xff")), "BadOutcome"),
    "returns a lock": (lambda: Rude.odd(Anything(value=threading.Lock())), "BadOutcome"),
    "recurses": (recurse, "RecursionError"),
    "closes the loop": (lambda: asyncio.get_running_loop().close(), "RuntimeError"),
    "leaks tasks": (leak_tasks, None),
    "leaks a thread": (leak_thread, None),
    "drops what raises then": (drop_careless, None),
    # An interrupt is told as what it is not: nobody has pressed a key.
    **{f"raises {name}": (partial(throw, name), name) for name in RAISED if name != "KeyboardInterrupt"},
    "raises KeyboardInterrupt": (partial(throw, "KeyboardInterrupt"), "RuntimeError"),
    **{f"writes {name}": (partial(unwritable, name), "BadOutcome") for name in RAISED},
    "has a route that raises": (routed, "SystemExit"),
    "has a route that returns nonsense": (routed, "UnknownLabel"),
}


def choose(context: Context[Mischief]) -> Literal["left", "right"]:
    if context.initial.does.endswith("raises"):
        raise SystemExit(3)
    return cast("Literal['left', 'right']", {"no": "label"})


class Rudeness(Workflow[Mischief], key="rude"):
    """One step, and a route after one of its events."""

    rude = Rude()
    done = Done()
    left = Done()
    right = Done()
    start = rude
    transitions = (
        rude.fine.to(done),
        rude.odd.to(done),
        rude.unwritable.to(done),
        rude.routed.route(choose).to({"left": left, "right": right}),
    )
