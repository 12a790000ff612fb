"""A transaction that must be aborted is repeated with the same records: nobody but the broker notices."""

from __future__ import annotations

from typing import Final

from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import Publisher, Workers
from tests.reliability.databases import check_databases

ABORTED: Final = "1,2,3,5,8,9,14,20,21,30"


def test_a_transaction_that_must_be_aborted_runs_no_step_a_second_time(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    load = make_load(31, journeys=60, waves=1)
    worker = workers.started(CHAOS_ABORT_COMMITS=ABORTED)

    load.send_wave(0, publisher)

    check_load(load, topics, publisher, workers)
    assert worker.told().count("transaction aborted, repeating the same batch") == len(ABORTED.split(","))
    for kind in ("book", "drive"):
        executed = workers.executed(kind)
        assert len(executed) == len(set(executed))
    assert worker.stop() == 0
    check_databases(workers.databases(), topics)
