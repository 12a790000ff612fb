"""Judges the databases that a worker left behind: they hold what the changelog adds up to, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from rocksdict import AccessType, Options, Rdict

from hephaestus_stream.cycle.index import DERIVED
from tests.integration.checker import Topics

# What is derived from other entries is never in the changelog; nor are the database's notes about itself.
_OWN: Final = (*DERIVED, b"\0")


def entries(database: Path) -> dict[bytes, bytes]:
    """What a closed database holds, apart from what is its own."""
    opened = Rdict(str(database), Options(raw_mode=True), access_type=AccessType.read_only())
    try:
        found = cast("dict[bytes, bytes]", dict(opened.items()))
    finally:
        opened.close()
    return {key: value for key, value in found.items() if not key.startswith(_OWN)}


def changelogs(topics: Topics) -> dict[int, dict[bytes, bytes]]:
    """What the changelog of each partition adds up to."""
    added: dict[int, dict[bytes, bytes]] = {}
    for record in topics.records("state"):
        partition = added.setdefault(record.partition, {})
        if record.value is None:
            partition.pop(record.key, None)
        else:
            partition[record.key] = record.value
    return added


def check_databases(folder: Path, topics: Topics) -> None:
    """The databases of all partitions are what their changelogs add up to; no worker may have them open."""
    for partition, expected in changelogs(topics).items():
        found = entries(folder / str(partition))
        # Whole databases would hide what differs.
        assert sorted(set(found) - set(expected)) == [], f"partition {partition} has what was deleted"
        assert sorted(set(expected) - set(found)) == [], f"partition {partition} lacks what was written"
        assert [key for key in expected if found[key] != expected[key]] == [], f"partition {partition} has old values"
