"""The detached broker of a folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from hephaestus_stream.errors import JavaNotFoundError, LocalKafkaError
from hephaestus_stream.local_kafka import Java, LocalKafka, find_java
from hephaestus_stream.local_kafka.folder import BrokerFolder, BrokerRecord

START = """
import sys
from pathlib import Path
from hephaestus_stream.local_kafka import LocalKafka

LocalKafka(Path(sys.argv[1])).up()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    yield tmp_path / "kafka"
    LocalKafka(tmp_path / "kafka").down(patience=timedelta())


class TopicAdmin(Protocol):
    """What of the admin client is used here; its own types leave the futures' results open."""

    def create_topics(self, new_topics: list[NewTopic]) -> dict[str, Future[None]]: ...


def topic_admin(bootstrap: str) -> TopicAdmin:
    return AdminClient({"bootstrap.servers": bootstrap})


def create_topic(bootstrap: str, name: str) -> None:
    admin = topic_admin(bootstrap)  # a client that is garbage cancels its requests
    admin.create_topics([NewTopic(name, 3, 1)])[name].result(timeout=10)


def topics(bootstrap: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics)


def test_up_status_and_down_tell_of_one_broker(folder: Path) -> None:
    said: list[str] = []
    kafka = LocalKafka(folder, on_progress=said.append)
    assert kafka.status() is None
    assert kafka.down() is False

    started = kafka.up()
    assert said[-3:] == ["formatting storage", "starting", "ready"]
    # Any process may ask: all that is known lies in the folder.
    assert LocalKafka(folder).status() == started
    assert LocalKafka(folder).up() == started
    assert started.ready
    assert started.bootstrap == f"127.0.0.1:{started.brokers[0].port}"
    assert topics(started.bootstrap) == set()
    with pytest.raises(LocalKafkaError, match=f"already runs on {started.bootstrap}, not on port 1024"):
        LocalKafka(folder, port=1024).up()

    assert kafka.down() is True
    assert kafka.status() is None
    assert kafka.down() is False
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", started.brokers[0].port))


def test_data_port_and_cluster_survive_a_stop_and_a_crash(folder: Path) -> None:
    kafka = LocalKafka(folder)
    first = kafka.up()
    create_topic(first.bootstrap, "orders")

    kafka.down()
    second = kafka.up()
    assert "orders" in topics(second.bootstrap)
    assert (second.cluster_id, second.brokers[0].port) == (first.cluster_id, first.brokers[0].port)

    assert second.brokers[0].pid is not None
    os.kill(second.brokers[0].pid, signal.SIGKILL)
    third = kafka.up()
    assert "orders" in topics(third.bootstrap)
    assert (third.cluster_id, third.brokers[0].port) == (first.cluster_id, first.brokers[0].port)
    assert third.brokers[0].pid != second.brokers[0].pid


def test_a_state_file_whose_process_id_belongs_to_a_stranger_now_is_stale(folder: Path) -> None:
    # What a reused process id looks like: the files name a process that lives, and is no broker.
    folder.mkdir()
    (folder / "broker.lock").touch()
    (folder / "broker.pid").write_text(str(os.getpid()))
    BrokerFolder(folder).write_record(
        BrokerRecord(port=1024, controller_port=1025, version="4.4.0", cluster_id="x", started_at=datetime.now(UTC))
    )

    assert LocalKafka(folder).status() is None
    assert LocalKafka(folder).down() is False


def test_two_starts_at_the_same_moment_give_one_broker(folder: Path) -> None:
    both_are_here = threading.Barrier(2)

    def start() -> int | None:
        both_are_here.wait()
        return LocalKafka(folder).up().brokers[0].pid

    with ThreadPoolExecutor(2) as starters:
        pids = {future.result() for future in [starters.submit(start), starters.submit(start)]}

    assert len(pids) == 1


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LocalKafkaError, match=f"Port {port} of 127.0.0.1 is taken"):
            LocalKafka(folder, port=port).up()


def test_without_java_nothing_is_started(folder: Path) -> None:
    def no_java() -> Java:
        return find_java({}, packaged=lambda: None)

    with pytest.raises(JavaNotFoundError):
        LocalKafka(folder, java=no_java).up()


def test_a_broker_that_cannot_start_shows_the_end_of_its_log_and_is_gone(folder: Path) -> None:
    kafka = LocalKafka(folder)
    kafka.up()
    kafka.down()
    meta = folder / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))

    with pytest.raises(LocalKafkaError) as failure:
        kafka.up()

    assert str(folder / "broker.log") in str(failure.value)
    assert "Stored node id 7 doesn't match" in str(failure.value)
    assert kafka.status() is None


@pytest.mark.parametrize("sign", ["formatting", "broker.pid"], ids=["while-formatting", "while-starting"])
def test_ctrl_c_during_a_start_leaves_nothing_running(
    folder: Path, sign: str, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with subprocess.Popen([sys.executable, "-c", START, folder], stderr=subprocess.PIPE, text=True) as starter:
        eventually((folder / sign).exists)
        starter.send_signal(signal.SIGINT)
        _, said = starter.communicate()

    assert "KeyboardInterrupt" in said
    assert LocalKafka(folder).status() is None
    assert LocalKafka(folder).up().ready


def test_a_start_killed_halfway_is_taken_over_by_the_next(
    folder: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with subprocess.Popen([sys.executable, "-c", START, folder]) as starter:
        eventually(lambda: LocalKafka(folder).status() is not None)
        starter.kill()
    halfway = LocalKafka(folder).status()
    assert halfway is not None

    assert LocalKafka(folder).up().brokers[0].pid == halfway.brokers[0].pid
