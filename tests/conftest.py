"""What every test may ask for: a real Kafka, and a namespace of its own in it."""

from __future__ import annotations

import importlib
import os
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol, cast

import pytest
from hypothesis import settings

from hephaestus_stream.local_kafka import KAFKA_VERSION, temporary_kafka
from hephaestus_stream.local_kafka.ports import free_port
from hephaestus_stream.wire.connection import Connection

# No test asserts a time, and the machine may have other things to do.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Many workers run at once: those that are asked over HTTP say where they serve it.
os.environ["HEPHAESTUS_HTTP"] = "off"

_DOCKER_ANSWERS_WITHIN_SECONDS = 2
_IN_CONTAINER = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "CLIENT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "CLIENT",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "8",
}


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Generator[str]:
    """A Kafka for the whole run: a given one, else one in Docker, else one in a Java process of its own."""
    given = os.environ.get("HEPHAESTUS_TEST_BOOTSTRAP")
    if given:
        yield given
        return
    with kafka_in_docker() if docker_answers() else temporary_kafka() as bootstrap:
        yield bootstrap


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test, and no other run on the same Kafka, uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connection(kafka_bootstrap: str, namespace: str) -> Connection:
    return Connection(kafka_bootstrap, namespace)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits until a condition is true, and fails when it never becomes true."""

    def wait_for(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < deadline, "the condition never became true"
            time.sleep(0.02)

    return wait_for


class DockerEngine(Protocol):
    def ping(self) -> bool: ...
    def close(self) -> None: ...


class DockerErrors(Protocol):
    DockerException: type[Exception]


class DockerPackage(Protocol):
    """What of the package docker is used here."""

    errors: DockerErrors

    def from_env(self, *, timeout: int) -> DockerEngine: ...


def docker_answers() -> bool:
    if "DOCKER_HOST" not in os.environ and not Path("/var/run/docker.sock").exists():
        return False
    # A slow import that most runs do not need, of a package without types.
    docker = cast("DockerPackage", importlib.import_module("docker"))
    try:
        with closing(docker.from_env(timeout=_DOCKER_ANSWERS_WITHIN_SECONDS)) as engine:
            return engine.ping()
    except docker.errors.DockerException:
        return False


@contextmanager
def kafka_in_docker() -> Generator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  # see above
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    # The port is chosen before the start, since the broker has to advertise it.
    port = free_port()
    container = DockerContainer(f"apache/kafka:{KAFKA_VERSION}").with_bind_ports(9092, port)
    container = container.with_env("KAFKA_ADVERTISED_LISTENERS", f"CLIENT://localhost:{port}")
    for name, value in _IN_CONTAINER.items():
        container = container.with_env(name, value)
    with container.waiting_for(LogMessageWaitStrategy("Kafka Server started")):
        yield f"localhost:{port}"
