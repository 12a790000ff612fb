"""The clock of a worker's machine jumps, forward and back, while it works."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import Publisher, Worker, Workers
from tests.reliability.databases import check_databases

# How far the clock is off, and what the worker says of it.
JUMPS = (
    # Timers that are set meanwhile are late by as much.
    (10, "ahead of the brokers'"),
    (0, "this machine's clock is right again"),
    (-10, "behind the brokers'"),
    (0, "this machine's clock is right again"),
)


def says(worker: Worker, notice: str) -> bool:
    return notice in worker.told()


def test_a_clock_that_jumps_holds_timers_up_and_loses_nothing(
    workers: Workers, publisher: Publisher, topics: Topics, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    load = make_load(81, journeys=60, waves=1 + len(JUMPS))
    worker = workers.started(CHAOS_CLOCK_FILE=str(clock))
    load.send_wave(0, publisher)

    for wave, (seconds, notice) in enumerate(JUMPS, start=1):
        clock.write_text(str(seconds))
        load.send_wave(wave, publisher)
        workers.until(partial(says, worker, notice), of=[worker])

    check_load(load, topics, publisher, workers)
    assert worker.stop() == 0
    check_databases(workers.databases(), topics)
