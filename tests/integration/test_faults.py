from __future__ import annotations

import random
import re
import signal
import threading
import time

import pytest

from hephaestus_stream.cli.failure import ExitCode
from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import PARTITIONS, Publisher, Workers

ALL = set(range(PARTITIONS))


def moment(seconds: float) -> None:
    """Lets a fault come at a random moment: there is no condition to wait for."""
    time.sleep(seconds)


@pytest.mark.parity(18, 23, 26)
def test_a_worker_that_is_killed_three_times_loses_nothing_and_does_nothing_twice(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    chance = random.Random(1)  # noqa: S311 - the same moments each time
    load = make_load(1, journeys=150, waves=4)
    # The second life begins without its database, and replays all of its changelog.
    for wave, data in enumerate(("one", "one", "two")):
        worker = workers.started(data)
        killer = threading.Timer(chance.uniform(0.02, 0.5), worker.kill)
        killer.start()
        load.send_wave(wave, publisher)
        killer.join()
    load.send_wave(3, publisher)
    worker = workers.started("one")

    check_load(load, topics, publisher, workers)

    assert worker.stop() == 0


@pytest.mark.parity(23)
def test_two_workers_share_the_partitions_and_survive_a_stop_and_a_kill(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    load = make_load(2, journeys=150, waves=4)
    first = workers.started("first")
    load.send_wave(0, publisher)
    second = workers.start("second")
    workers.until(
        lambda: first.partitions | second.partitions == ALL and not first.partitions & second.partitions,
        of=[first, second],
    )
    load.send_wave(1, publisher)

    assert first.stop() == 0
    workers.until(lambda: second.partitions == ALL, of=[second])
    load.send_wave(2, publisher)
    third = workers.start("first")
    workers.until(lambda: third.partitions | second.partitions == ALL and bool(third.partitions), of=[second, third])
    load.send_wave(3, publisher)
    second.kill()

    check_load(load, topics, publisher, workers)
    assert third.partitions == ALL
    assert third.stop() == 0


@pytest.mark.parity(15, 23, 26)
def test_a_frozen_worker_that_comes_back_is_fenced_and_exits(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    load = make_load(3, journeys=100, waves=3)
    frozen = workers.started("frozen")
    load.send_wave(0, publisher)
    moment(0.3)
    frozen.signal(signal.SIGSTOP)
    load.send_wave(1, publisher)
    heir = workers.start("heir")
    workers.until(lambda: heir.partitions == ALL, of=[heir])
    load.send_wave(2, publisher)

    frozen.signal(signal.SIGCONT)

    assert frozen.ended() == ExitCode.RESTART
    # Frozen in the midst of a commit, it learns that this one was broken off, and no more.
    assert re.search("another worker owns partition|worker must exit", frozen.told())
    check_load(load, topics, publisher, workers)
    assert heir.stop() == 0


def test_a_frozen_worker_that_had_nothing_to_do_is_fenced_and_exits_all_the_same(workers: Workers) -> None:
    frozen = workers.started("frozen")
    frozen.signal(signal.SIGSTOP)
    heir = workers.start("heir")
    workers.until(lambda: heir.partitions == ALL, of=[heir])

    frozen.signal(signal.SIGCONT)

    assert frozen.ended() == ExitCode.RESTART
    assert re.search("error: .*another worker owns partition", frozen.told().splitlines()[-1])
    assert heir.stop() == 0
