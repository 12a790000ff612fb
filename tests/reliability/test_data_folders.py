"""Whatever happened to the folders of its partitions, a worker sets them right from the changelog."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from hephaestus_stream.wire.connection import Connection
from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import Publisher, Worker, Workers
from tests.reliability.databases import check_databases

Harm = Callable[[Path], None]


def nothing(_folder: Path) -> None:
    """For comparison."""


def loss(folder: Path) -> None:
    """A lost disk."""
    shutil.rmtree(folder)


def overwrite(file: Path, first: int, last: int) -> None:
    content = bytearray(file.read_bytes())
    assert len(content[first:last]) > 0, f"{file} has nothing to overwrite"
    content[first:last] = os.urandom(len(content[first:last]))
    file.write_bytes(content)


def bytes_of_tables(folder: Path) -> None:
    for table in folder.glob("*.sst"):
        overwrite(table, 0, table.stat().st_size // 2)


def end_of_tables(folder: Path) -> None:
    for table in folder.glob("*.sst"):
        overwrite(table, -100, table.stat().st_size)


def bytes_of_manifest(folder: Path) -> None:
    for manifest in folder.glob("MANIFEST-*"):
        overwrite(manifest, 20, manifest.stat().st_size - 20)


def loss_of_manifest(folder: Path) -> None:
    for manifest in folder.glob("MANIFEST-*"):
        manifest.unlink()


def bytes_of_current(folder: Path) -> None:
    overwrite(folder / "CURRENT", 0, 12)


def bytes_of_log(folder: Path) -> None:
    for log in folder.glob("*.log"):
        overwrite(log, log.stat().st_size // 2, log.stat().st_size // 2 + 50)


def loss_of_log(folder: Path) -> None:
    """What was in the page cache when the power went."""
    for log in folder.glob("*.log"):
        log.unlink()


def half_files(folder: Path) -> None:
    for file in folder.iterdir():
        os.truncate(file, file.stat().st_size // 2)


def lost_power(folder: Path) -> None:
    """The state of the disk is that of a moment before."""
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("before"), folder)


def neighbour(folder: Path) -> None:
    """Moved by mistake: the database of another partition, whose offsets this one has, too."""
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("early"), folder)


def stranger(folder: Path) -> None:
    """Moved by mistake: the database of the same partition of another namespace."""
    shutil.rmtree(folder)
    shutil.copytree(next(folder.parents[2].glob("*-other")) / "shards" / folder.name, folder)


# Where RocksDB goes by its checksums it must be told in the log that a folder was given up.
SILENT: Final[tuple[Harm, ...]] = (nothing, loss, bytes_of_log, loss_of_log, lost_power)
TOLD: Final[tuple[Harm, ...]] = (
    bytes_of_tables,
    end_of_tables,
    bytes_of_manifest,
    loss_of_manifest,
    bytes_of_current,
    half_files,
    neighbour,
    stranger,
)
HARMS: Final = (*SILENT, *TOLD)
PARTITIONS: Final = {"HEPHAESTUS_PARTITIONS": str(len(HARMS))}


@pytest.fixture
def other(connection: Connection, tmp_path: Path) -> Generator[Workers]:
    """Workers of another namespace, with the same folder of data."""
    (tmp_path / "other").mkdir()
    workers = Workers(replace(connection, namespace=f"{connection.namespace}-other"), tmp_path / "other")
    yield workers
    workers.end()


def supervised(workers: Workers) -> list[Worker]:
    """Workers, the last of which stays: one that finds damage while it reads exits, and the next one repairs it."""
    workers_so_far: list[Worker] = []
    while True:
        worker = workers.start(**PARTITIONS)
        workers_so_far.append(worker)
        workers.until(worker.has_settled)
        if worker.is_running:
            return workers_so_far
        assert "it is wiped and replayed when it opens again" in worker.told()


def test_whatever_happened_to_the_folders_of_its_partitions_a_worker_sets_right(
    workers: Workers, other: Workers, publisher: Publisher, connection: Connection, tmp_path: Path
) -> None:
    topics = Topics(connection.bootstrap, connection.namespace, partitions=len(HARMS))
    load = make_load(11, journeys=130, waves=4)
    databases = workers.databases()
    worker = workers.started(**PARTITIONS)
    stranger_worker = other.started(HEPHAESTUS_DATA=str(tmp_path / "worker"), **PARTITIONS)
    load.send_wave(0, publisher)
    Publisher(other.connection).send(command for command in load.commands if command.type == "start")
    workers.until(lambda: len(topics.records("replies")) >= len(load.waves[0]))
    assert worker.stop() == 0
    shutil.copytree(databases / "0", databases / "early")
    worker = workers.started(**PARTITIONS)
    load.send_wave(1, publisher)
    shutil.copytree(databases / str(HARMS.index(lost_power)), databases / "before")
    load.send_wave(2, publisher)
    worker.kill()
    stranger_worker.stop()

    for partition, harm in enumerate(HARMS):
        harm(databases / str(partition))
    *lost, last = supervised(workers)
    load.send_wave(3, publisher)

    check_load(load, topics, publisher, workers)
    assert last.stop() == 0
    check_databases(databases, topics)
    told = "".join(worker.told() for worker in (*lost, last))
    assert {harm.__name__ for harm in TOLD if f"wiping {databases / str(HARMS.index(harm))}," not in told} == set()
