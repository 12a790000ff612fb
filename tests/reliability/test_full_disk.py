"""The disk of the databases is full for a while."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import Publisher, Workers
from tests.reliability.databases import check_databases

_CHUNK = 64 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode()}")
    yield folder
    subprocess.run([umount, "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Takes all the space that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (_CHUNK, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


def test_a_worker_whose_disk_is_full_exits_and_says_so_and_goes_on_when_there_is_room(
    small_disk: Path, workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    load = make_load(51, journeys=60, waves=3)
    on_disk = {"HEPHAESTUS_DATA": str(small_disk)}
    full = workers.started(**on_disk)
    load.send_wave(0, publisher)
    filler = fill(small_disk)
    load.send_wave(1, publisher)

    assert full.ended() != 0
    assert "the disk is full" in full.told().splitlines()[-1]
    # With no room at all it does not get far, and says the same.
    again = workers.start(**on_disk)
    assert again.ended() != 0
    assert "the disk is full" in again.told().splitlines()[-1]
    filler.unlink()
    last = workers.started(**on_disk)
    load.send_wave(2, publisher)

    check_load(load, topics, publisher, workers)
    assert last.stop() == 0
    check_databases(small_disk / workers.connection.namespace / "shards", topics)
