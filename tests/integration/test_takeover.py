"""A worker that is killed, and the one that kept copies of its partitions."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest

from tests.integration.checker import Topics, check_everything
from tests.integration.load import Load, ask_again, await_endings, check_effects, make_load
from tests.integration.workers import PARTITIONS, Publisher, Worker, Workers

ALL = set(range(PARTITIONS))
_REPLAYED = re.compile(r"replayed (\d+) records of the changelog for (\d+) partitions")
_UP_TO_DATE = re.compile(r"up to date: the standbys of the partitions ([0-9, ]+), after")


def replayed(worker: Worker) -> int:
    """The records that its last opening took."""
    return int(_REPLAYED.findall(worker.told())[-1][0])


def copies(worker: Worker) -> set[int]:
    """The partitions of which it last told that it is up to date."""
    told = _UP_TO_DATE.findall(worker.told())
    return {int(partition) for partition in told[-1].split(",")} if told else set()


def have_copies_of_each_other(one: Worker, other: Worker) -> Callable[[], bool]:
    return lambda: (
        one.partitions | other.partitions == ALL
        and not one.partitions & other.partitions
        and copies(one) == other.partitions
        and copies(other) == one.partitions
    )


def changelog_of(topics: Topics, partitions: set[int]) -> int:
    return sum(record.partition in partitions for record in topics.records("state"))


def has_come_to_rest(topics: Topics) -> Callable[[], bool]:
    """Whether nothing was committed between this look and the last one."""
    seen: list[int] = []

    def look() -> bool:
        seen.append(changelog_of(topics, ALL))
        return seen[-2:-1] == seen[-1:]

    return look


def check(load: Load, topics: Topics, publisher: Publisher, workers: Workers) -> None:
    await_endings(load, topics, workers)
    answers = ask_again(load, topics, publisher, workers)
    histories = check_everything(topics, runs=set(load.runs.values()))
    check_effects(load, answers, histories)


@pytest.mark.parity(23)
def test_a_standby_takes_over_from_a_killed_worker_and_replays_a_small_rest_of_the_changelog(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    load = make_load(5, journeys=200, waves=3)
    owner = workers.started("owner")
    heir = workers.start("heir")
    workers.until(have_copies_of_each_other(owner, heir), of=[owner, heir])
    load.send_wave(0, publisher)
    load.send_wave(1, publisher)
    workers.until(has_come_to_rest(topics), of=[owner, heir])
    before = changelog_of(topics, owner.partitions)
    killer = threading.Timer(0.2, owner.kill)
    killer.start()
    load.send_wave(2, publisher)
    killer.join()
    workers.until(lambda: heir.partitions == ALL, of=[heir])
    rest = replayed(heir)

    check(load, topics, publisher, workers)

    # Until the group misses a killed worker, its standby has time to get all that it committed.
    assert rest < before / 4
    assert heir.stop() == 0


def test_without_standbys_a_takeover_replays_all_of_the_changelog(
    workers: Workers, publisher: Publisher, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPHAESTUS_STANDBYS", "0")
    load = make_load(6, journeys=60, waves=1)
    owner = workers.started("owner")
    heir = workers.start("heir")
    workers.until(lambda: owner.partitions | heir.partitions == ALL and bool(heir.partitions), of=[owner, heir])
    workers.until(lambda: not owner.partitions & heir.partitions, of=[owner, heir])
    load.send_wave(0, publisher)
    check(load, topics, publisher, workers)
    lost = owner.partitions
    before = changelog_of(topics, lost)
    owner.kill()
    workers.until(lambda: heir.partitions == ALL, of=[heir])

    assert replayed(heir) >= before
    assert "standbys" not in heir.told()


def test_each_worker_that_joins_gets_its_share(workers: Workers) -> None:
    joined: list[Worker] = []
    for number in range(3):
        joined.append(workers.start(f"worker-{number}"))
        shares = sorted([PARTITIONS // len(joined)] * len(joined))
        shares[-1] += PARTITIONS % len(joined)
        workers.until(lambda shares=shares: sorted(len(each.partitions) for each in joined) == shares, of=joined)  # type: ignore[misc]  # mypy infers no default
    assert {partition for worker in joined for partition in worker.partitions} == ALL
