from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from hephaestus_stream.wire.connection import Connection
from tests.integration.checker import Topics
from tests.integration.workers import PARTITIONS, Publisher, Workers


@pytest.fixture
def workers(connection: Connection, tmp_path: Path) -> Generator[Workers]:
    started = Workers(connection, tmp_path)
    yield started
    started.end()


@pytest.fixture
def publisher(connection: Connection) -> Publisher:
    return Publisher(connection)


@pytest.fixture
def topics(connection: Connection) -> Topics:
    return Topics(connection.bootstrap, connection.namespace, partitions=PARTITIONS)
