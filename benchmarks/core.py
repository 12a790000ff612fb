"""What a transition costs: `apply` alone, without a cycle, a store or a broker.

    python benchmarks/core.py
    python benchmarks/core.py --repeats 20 --profile

Figures are medians. Machines differ and are noisy: compare ratios of one run.
"""

from __future__ import annotations

import cProfile
import os
import platform
import pstats
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Annotated, cast

from cyclopts import Parameter, run
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, WaitForEvent, Workflow
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import Input, Resume, Start, StepEmitted, StepFailed, StepSuspended, TimerFired
from hephaestus_stream.core.state import Error, NodeState, Reported, State
from hephaestus_stream.cycle.index import derive
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.record import encode

console = Console()

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOWN = Error("ConnectionError", "down")
DONE = Reported("done")
MANY = 10_000


class Work(Step[object]):
    """A step; its code is never called here."""

    done = Event()
    retry = RetryPolicy(max_attempts=10 * MANY, jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:  # noqa: ARG002
        """Ends at once."""
        return self.done()


def made(name: str, body: Callable[[dict[str, object]], None]) -> Definition:
    """The definition of a workflow class that is made here and now."""
    workflow = types.new_class(name, (Workflow[None],), {"key": "bench"}, body)
    return cast("type[Workflow[None]]", workflow).definition


def chain(length: int) -> Definition:
    """So many steps, one after the other."""

    def body(namespace: dict[str, object]) -> None:
        works, end = [Work() for _ in range(length)], Done()
        rows = tuple(work.done.to(onward) for work, onward in zip(works, [*works[1:], end], strict=True))
        namespace |= {f"n{number}": work for number, work in enumerate(works)}
        namespace |= {"end": end, "start": works[0], "transitions": rows}

    return made("Chain", body)


def fan_out(branches: int) -> Definition:
    """So many steps beside each other, and a step where they meet."""

    def body(namespace: dict[str, object]) -> None:
        first, join, end = Work(), Work(), Done()
        works = [Work() for _ in range(branches)]
        rows = (first.done.to(*works), *(work.done.to(join) for work in works), join.done.to(end))
        namespace |= {f"n{number}": work for number, work in enumerate(works)}
        namespace |= {"first": first, "join": join, "end": end, "start": first, "transitions": rows}

    return made("FanOut", body)


def waiting() -> Definition:
    """A wait for somebody's event."""

    def body(namespace: dict[str, object]) -> None:
        wait, end = WaitForEvent(), Done()
        namespace |= {"wait": wait, "end": end, "start": wait, "transitions": (wait.received.to(end),)}

    return made("Waiting", body)


@dataclass(frozen=True, slots=True)
class Play:
    """One run through the engine, and what each transition of it took, in seconds.

    Attributes:
        costs: Of each input, in their order.
        state: How the run stands at the end.
    """

    costs: list[float]
    state: State


def play(definition: Definition, inputs: Iterator[Input], *, state: State | None = None) -> Play:
    """Applies inputs one after the other."""
    costs: list[float] = []
    now = NOW
    for what in inputs:
        now += timedelta(milliseconds=1)
        began = time.perf_counter()
        state = apply(definition, state, what, now=now).state
        costs.append(time.perf_counter() - began)
    return Play(costs, cast("State", state))


def start() -> Start:
    """The beginning of a run."""
    return Start("bench::1", "run", b"null", size=4)


def finish(names: Sequence[str]) -> Iterator[Input]:
    """A run whose steps end one after the other."""
    yield start()
    yield from (StepEmitted(name, 1, DONE) for name in names)


def chain_of(length: int) -> Play:
    """A chain from its start to its end."""
    return play(_once(chain, length), finish([f"n{number}" for number in range(length)]))


def join_of(branches: int) -> Play:
    """A fan-out, and the outcomes that meet."""
    return play(_once(fan_out, branches), finish(["first", *(f"n{number}" for number in range(branches))]))


def retried(times: int) -> Play:
    """A step that fails again and again: each failure and each timer adds to the history, nothing to the graph."""
    definition = _once(chain, 3)
    state = apply(definition, None, start(), now=NOW).state
    costs: list[float] = []
    for attempt in range(1, times + 1):
        failed = play(definition, iter([StepFailed("n0", attempt, DOWN)]), state=state)
        due_at = failed.state.nodes["n0"].due_at or NOW
        fired = play(definition, iter([TimerFired("n0", attempt, "retry", due_at)]), state=failed.state)
        costs += [*failed.costs, *fired.costs]
        state = fired.state
    return Play(costs, state)


def resumed() -> Play:
    """A wait, and the event that ends it."""
    return play(
        _once(waiting), iter([start(), StepSuspended("wait", 1), Resume("command", "wait", Reported("received"))])
    )


_MADE: dict[tuple[Callable[..., Definition], tuple[int, ...]], Definition] = {}


def _once(make: Callable[..., Definition], *size: int) -> Definition:
    """A definition, made once: an engine gets it ready made."""
    return _MADE.setdefault((make, size), _MADE.get((make, size)) or make(*size))


def figure(repeats: int, measure: Callable[[], float]) -> float:
    """Microseconds: the median of several measurements."""
    return median(measure() for _ in range(repeats)) * 1e6


def figures(repeats: int) -> Iterator[tuple[str, str, float]]:
    """What was measured, by (what, part, microseconds)."""
    short = [chain_of(3).costs for _ in range(repeats * 100)]
    yield "a chain of 3 steps", "start", median(costs[0] for costs in short) * 1e6
    yield "", "a step ends, the next one starts", median(costs[1] for costs in short) * 1e6
    yield "", "the last one ends, the run is completed", median(costs[3] for costs in short) * 1e6
    waits = [resumed().costs for _ in range(repeats * 100)]
    yield "a wait", "begins", median(costs[1] for costs in waits) * 1e6
    yield "", "is ended by an event", median(costs[2] for costs in waits) * 1e6
    for branches in (10, 100, 1_000):
        joins = [join_of(branches).costs for _ in range(max(1, repeats * 10 // branches))]
        yield f"a join of {branches:,} branches", "fan-out", median(costs[1] for costs in joins) * 1e6
        yield "", "a branch ends", median(median(costs[2:-1]) for costs in joins) * 1e6
        yield "", "the last one ends, the join starts", median(costs[-1] for costs in joins) * 1e6
    for length in (100, 1_000, 2_000):
        chains = [chain_of(length).costs for _ in range(max(1, repeats // 5))]
        tenth = length // 10
        yield f"a chain of {length:,} steps", "a step", median(median(costs[1:]) for costs in chains) * 1e6
        yield "", "in the first tenth", median(median(costs[1:tenth]) for costs in chains) * 1e6
        yield "", "in the last tenth", median(median(costs[-tenth:-1]) for costs in chains) * 1e6
    long = retried(MANY).costs
    yield (
        f"a history of {4 * MANY:,} events",
        "a failure or its retry, among the first 1,000",
        median(long[:1_000]) * 1e6,
    )
    yield "", "among the last 1,000", median(long[-1_000:]) * 1e6
    for length in (3, 100, 1_000):
        state = chain_of(length).state
        cost = figure(repeats, partial(timed, partial(encode, state)))
        yield f"the record of {length:,} ended steps", f"encoded, {len(encode(state)):,} bytes", cost
    for branches in (3, 2_000):
        yield (
            f"one of {branches:,} waits ends",
            "what lists and counts are kept up with",
            figure(repeats, listed(branches)),
        )


def listed(waits: int) -> Callable[[], float]:
    """Measures what follows for the indexes where a run that waits at many nodes waits at one less."""
    nodes = {f"n{number}": NodeState("waiting", 1) for number in range(waits)}
    before = State("bench::1", "run", "Bench", 1, "waiting", b"null", NOW, NOW, nodes=nodes)
    after = replace(before, nodes={**nodes, "n0": NodeState("completed", 1)})
    store, place = MemoryStore(), b"ibench::1\0run"
    store.write({place: encode(before)})
    changes = {place: encode(after)}
    return partial(timed, lambda: derive(changes, store.get))


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(
    *,
    repeats: Annotated[int, Parameter(help="How often each run is played, at least.")] = 10,
    profile: Annotated[bool, Parameter(help="Show where the time goes, too.")] = False,
) -> None:
    """Measure the engine alone."""
    list(figures(1))  # warm: definitions are made, caches are filled
    table = Table(title="one transition of the engine")
    table.add_column("run")
    table.add_column("transition")
    table.add_column("µs", justify="right")
    for what, part, cost in figures(repeats):
        table.add_row(what, part, f"{cost:,.1f}")
    console.print(table)
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python "
        f"{platform.python_version()}, {platform.system()}"
    )
    if profile:
        for name, work in (("a chain of 1,000", lambda: chain_of(1_000)), ("a join of 100", lambda: join_of(100))):
            console.rule(name)
            profiler = cProfile.Profile()
            profiler.runcall(work)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    run(main)
