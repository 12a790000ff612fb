from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection
from tests.cli.command_line import CommandLine
from tests.security.secured_kafka import PASSWORD, SecuredKafka, secured_kafka
from tests.security.users import Users


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Generator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


@pytest.fixture
def hephaestus(tmp_path: Path) -> CommandLine:
    """`hephaestus` in a folder with a module `flows`."""
    shutil.copy(Path(__file__).parent / "flows.py", tmp_path)
    return CommandLine(tmp_path)


@pytest.fixture
def users(kafka: SecuredKafka, namespace: str, tmp_path: Path) -> Users:
    create_topics(Connection(kafka.internal, namespace), partitions=2, replication_factor=1)
    for user in ("worker", "client"):
        kafka.set_password(f"{namespace}-{user}", PASSWORD)
    return Users(kafka, namespace, tmp_path)
