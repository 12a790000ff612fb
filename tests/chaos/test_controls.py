from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.controls import CONTROLS, run_control
from tests.chaos.protections import PROTECTIONS

# A run that finds damage waits long for what does not come any more.
pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", CONTROLS)
async def test_without_a_protection_the_checker_finds_the_damage(name: str, cluster: Cluster, tmp_path: Path) -> None:
    report = await run_control(name, cluster, tmp_path, without=True)

    found = {check.name for check in report.checks if check.broken}
    assert found & set(CONTROLS[name].finds), f"found only {found}"


@pytest.mark.parametrize("name", ["fencing", "committed-replay"])
async def test_with_all_protections_the_same_play_does_no_damage(name: str, cluster: Cluster, tmp_path: Path) -> None:
    report = await run_control(name, cluster, tmp_path, without=False)

    assert report.is_good, [report.problems, [check for check in report.checks if check.broken]]


def test_each_protection_has_its_control() -> None:
    assert CONTROLS.keys() == PROTECTIONS.keys()
