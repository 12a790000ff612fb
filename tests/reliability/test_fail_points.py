"""A worker is killed at each named point of its commits and its openings, and another one goes on."""

from __future__ import annotations

import signal
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from hephaestus_stream.wire.connection import Connection
from tests.chaos.failpoints import FailPoint
from tests.integration.checker import Document, Topics
from tests.integration.load import Load, check_load, make_load
from tests.integration.workers import PARTITIONS, Publisher, Worker, Workers
from tests.reliability.databases import check_databases

OF_OPENING: Final = {FailPoint.AFTER_INIT_TRANSACTIONS, FailPoint.IN_REPLAY, FailPoint.BEFORE_FIRST_POSITION}


@dataclass(frozen=True)
class Stage:
    """A namespace of its own for each point, so that the waits for the dead workers' sessions overlap."""

    point: FailPoint
    load: Load
    workers: Workers
    publisher: Publisher
    topics: Topics

    def first_worker(self) -> Worker:
        """The one that dies in a commit, or that leaves something to open."""
        if self.point in OF_OPENING:
            return self.workers.start("first")
        return self.workers.start("first", CHAOS_FAIL_POINT=self.point, CHAOS_FAIL_AFTER="5")

    def lose(self, first: Worker) -> None:
        """Ends with a worker that was killed at the point."""
        lost = first
        if self.point in OF_OPENING:
            assert first.stop() == 0
            lost = self.workers.start("second", CHAOS_FAIL_POINT=self.point, CHAOS_FAIL_AFTER="2")
        assert lost.ended() == -signal.SIGKILL, lost.told()
        assert f"killed {self.point}" in lost.told()

    def judge(self, last: Worker) -> None:
        histories = check_load(self.load, self.topics, self.publisher, self.workers)
        check_executions(self.workers, histories)
        assert last.stop() == 0
        check_databases(self.workers.databases("second"), self.topics)


def check_executions(workers: Workers, histories: dict[str, list[Document]]) -> None:
    """What the histories say was done was done, once at least."""
    executed = {key for kind in ("book", "drive") for key, _, _ in workers.executed(kind)}
    for run, history in histories.items():
        for event in history:
            if event["type"] == "step_completed" and event["node"] in {"book", "drive", "rest"}:
                assert f"{event['key']}/{run}/{event['node']}" in executed


@pytest.fixture
def stages(connection: Connection, tmp_path: Path) -> Generator[Sequence[Stage]]:
    with ExitStack() as ends:
        made: list[Stage] = []
        for seed, point in enumerate(FailPoint):
            own = replace(connection, namespace=f"{connection.namespace}-{point}")
            folder = tmp_path / point
            folder.mkdir()
            workers = Workers(own, folder)
            ends.callback(workers.end)
            load = make_load(seed, journeys=20, waves=2)
            topics = Topics(own.bootstrap, own.namespace, partitions=PARTITIONS)
            made.append(Stage(point, load, workers, Publisher(own), topics))
        yield made


def test_a_worker_that_is_killed_at_any_point_loses_nothing_and_does_nothing_twice(stages: Sequence[Stage]) -> None:
    first = [stage.first_worker() for stage in stages]
    for stage, worker in zip(stages, first, strict=True):
        stage.workers.until(worker.has_settled)
        stage.load.send_wave(0, stage.publisher)
    for stage, worker in zip(stages, first, strict=True):
        stage.lose(worker)
    last = [stage.workers.start("second") for stage in stages]
    for stage in stages:
        stage.load.send_wave(1, stage.publisher)

    for stage, worker in zip(stages, last, strict=True):
        stage.judge(worker)
