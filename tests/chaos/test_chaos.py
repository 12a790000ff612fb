from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.harness import Harness, Plan

# A run that finds damage waits long for what does not come any more.
pytestmark = pytest.mark.timeout(300)


async def each_fault_once(harness: Harness) -> None:
    await harness.schedule.once()
    harness.stop.set()


@pytest.mark.parity(15, 18, 23, 26)
async def test_workers_that_are_killed_frozen_and_restarted_lose_nothing_and_do_nothing_twice(
    cluster: Cluster, tmp_path: Path
) -> None:
    plan = Plan(seconds=120, workers=2, seed=11, faults=("kill", "stop", "fail-point", "freeze"))

    report = await Harness(plan, cluster, tmp_path).run(each_fault_once)

    report.write(tmp_path / "report.json")
    found = {check.name: check.first for check in report.checks if check.broken}
    assert report.is_good, json.dumps([report.problems, found], indent=2)
    assert {happening.name for happening in report.happenings} == set(plan.faults)
    # What is examined only where it happened may have found nothing because nothing happened.
    assert all(check.examined for check in report.checks)
