"""How much lies where in a worker, asked whenever somebody collects."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry.metrics import CallbackOptions, Observation

from hephaestus_stream.telemetry import names
from hephaestus_stream.telemetry.api import gauge
from hephaestus_stream.telemetry.names import Metric


@dataclass(frozen=True, slots=True)
class ShardLoad:
    """What waits in one shard.

    Attributes:
        partition: Which.
        mailbox: Inputs that were read.
        backlog: Committed attempts that the runner has no room for.
        timers_held: Due timers whose workflow the worker lacks.
        lag: Records that no commit has passed yet.
        oldest: When the command was appended that has waited longest in the mailbox, as a timestamp; None without one.
        pause: Why the partition is not read, and since when by the monotonic clock; None for one that is.
    """

    partition: int
    mailbox: int
    backlog: int
    timers_held: int
    lag: int
    oldest: float | None
    pause: tuple[str, float] | None


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """What one worker has on its hands.

    Attributes:
        shards: Those that are open.
        attempts: Attempts that its runner knows.
        waiting: Those of them that wait for a place.
        outcomes: Bytes of large outcomes that wait for their commit.
        unsent: Answers and forwarded commands that are on their way to a broker.
        replaying: The changelog records that shards which open still have before them, by partition.
        standbys: The changelog records that copies of other workers' partitions have before them, by partition.
    """

    shards: Sequence[ShardLoad]
    attempts: int
    waiting: int
    outcomes: int
    unsent: int
    replaying: Mapping[int, int]
    standbys: Mapping[int, int]


_Load = Callable[[], WorkerLoad]

# One process has one set of instruments, and may have several workers.
_WATCHED: Final[list[_Load]] = []


@contextmanager
def watched(load: Callable[[], WorkerLoad]) -> Generator[None]:
    """Lets a worker be asked for its load, from whatever thread collects, until the block ends."""
    _WATCHED.append(load)
    try:
        yield
    finally:
        _WATCHED.remove(load)


def _observe(metric: Metric, read: Callable[[WorkerLoad], Iterable[tuple[float, int | None]]]) -> None:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        for load in tuple(_WATCHED):  # a worker may end meanwhile
            for value, partition in read(load()):
                yield Observation(value, {} if partition is None else {names.PARTITION: str(partition)})

    gauge(metric, observe)


def _observe_pauses(_options: CallbackOptions) -> Iterable[Observation]:
    for load in tuple(_WATCHED):
        for shard in load().shards:
            if shard.pause is not None:
                why, since = shard.pause
                seconds = time.monotonic() - since
                yield Observation(seconds, {names.PARTITION: str(shard.partition), names.PAUSE: why})


def _age(shard: ShardLoad) -> float:
    return 0.0 if shard.oldest is None else max(0.0, time.time() - shard.oldest)


_observe(names.PARTITIONS_OWNED, lambda load: [(len(load.shards), None)])
_observe(names.ATTEMPTS_HELD, lambda load: [(load.attempts, None)])
_observe(names.ATTEMPTS_WAITING, lambda load: [(load.waiting, None)])
_observe(names.OUTCOMES_SIZE, lambda load: [(load.outcomes, None)])
_observe(names.ANSWERS_UNSENT, lambda load: [(load.unsent, None)])
_observe(names.COMMANDS_LAG, lambda load: [(shard.lag, shard.partition) for shard in load.shards])
_observe(names.COMMANDS_AGE, lambda load: [(_age(shard), shard.partition) for shard in load.shards])
gauge(names.READING_PAUSED, _observe_pauses)
_observe(names.MAILBOX, lambda load: [(shard.mailbox, shard.partition) for shard in load.shards])
_observe(names.BACKLOG, lambda load: [(shard.backlog, shard.partition) for shard in load.shards])
_observe(names.TIMERS_HELD, lambda load: [(shard.timers_held, shard.partition) for shard in load.shards])
_observe(
    names.REPLAY_REMAINING,
    lambda load: [(remaining, partition) for partition, remaining in load.replaying.items()],
)
_observe(names.STANDBY_BEHIND, lambda load: [(behind, partition) for partition, behind in load.standbys.items()])
