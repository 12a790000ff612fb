"""A database returns after its partition was elsewhere, and after compaction took away what was deleted meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Protocol, cast

import pytest
from confluent_kafka.admin import AdminClient

from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics as Names
from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import PARTITIONS, Publisher, Workers
from tests.reliability.databases import changelogs, check_databases, entries

# The package's own annotations do not export these.
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # isort: skip
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage]
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage]
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)

# Below the time that a replay may take before a database counts as too old.
SHORT_LIFE: Final = {"delete.retention.ms": "60000"}
LONG_LIFE: Final = {"delete.retention.ms": "86400000"}
COMPACTED_SOON: Final = {
    "delete.retention.ms": "100",
    "segment.bytes": "1048576",
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "1000",
}


class Administration(Protocol):
    """What of the admin client is used here; its own types leave the futures' results open."""

    def incremental_alter_configs(self, resources: list[ConfigResource]) -> dict[ConfigResource, Future[None]]: ...


def configure(connection: Connection, options: Mapping[str, str]) -> None:
    """Sets options of the changelog."""
    wanted = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in options.items()]
    changelog = ConfigResource(ResourceType.TOPIC, Names(connection.namespace).state, incremental_configs=wanted)
    admin = cast(Administration, AdminClient(connection.librdkafka()))
    admin.incremental_alter_configs([changelog])[changelog].result(timeout=20)


def all_entries(databases: Path) -> set[tuple[int, bytes]]:
    return {(partition, key) for partition in range(PARTITIONS) for key in entries(databases / str(partition))}


def logged(connection: Connection) -> set[tuple[int, bytes]]:
    """The keys of which the changelog has anything now, deletions included."""
    now = Topics(connection.bootstrap, connection.namespace, partitions=PARTITIONS)
    return {(record.partition, record.key) for record in now.records("state")}


def answered(topics: Topics) -> set[str]:
    return {document["id"] for document in topics.documents("replies")}


@pytest.mark.long
def test_what_was_deleted_does_not_rise_from_an_old_database_after_compaction(
    workers: Workers, publisher: Publisher, topics: Topics, connection: Connection
) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    load = make_load(61, journeys=40, waves=2)
    former = workers.started("old")
    load.send_wave(0, publisher)
    workers.until(lambda: answered(topics) >= {command.id for command in load.waves[0]}, of=[former])
    assert former.stop() == 0
    worker = workers.started("new")
    configure(connection, COMPACTED_SOON)
    load.send_wave(1, publisher)
    check_load(load, topics, publisher, workers)
    known = {(partition, key) for partition, table in changelogs(topics).items() for key in table}
    deleted = all_entries(workers.databases("old")) - known
    assert deleted
    # Each answer commits a position, and so closes the segment that the cleaner takes up next.
    while deleted & logged(connection):
        publisher.send(load.commands)
    assert worker.stop() == 0
    shutil.copytree(workers.databases("old"), workers.databases("trusting"))

    # As if deletions were still there for a day: this is what the rule protects from.
    configure(connection, LONG_LIFE)
    assert workers.started("trusting").stop() == 0
    assert all_entries(workers.databases("trusting")) >= deleted

    configure(connection, SHORT_LIFE)
    owner = workers.started("old")
    assert owner.stop() == 0
    assert owner.told().count("deletions since may have left the log") == PARTITIONS
    check_load(load, topics, publisher, workers)
    check_databases(workers.databases("old"), topics)
