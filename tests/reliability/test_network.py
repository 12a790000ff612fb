"""The network between a worker and its broker is cut, and heals when another worker has taken over."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hephaestus_stream.local_kafka import temporary_cluster
from hephaestus_stream.wire.connection import Connection
from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import PARTITIONS, SESSION_SECONDS, Publisher, Workers
from tests.reliability.proxy import Listener, Proxy, Whose, everybody, new_listener, proxied

ALL = set(range(PARTITIONS))


def of_librdkafka(client: str) -> bool:
    """Transactions, replay and answers."""
    return client == "rdkafka"


def of_the_consumer(client: str) -> bool:
    """Commands and the group."""
    return not of_librdkafka(client)


@dataclass(frozen=True)
class Net:
    """A broker, and a proxy through which one worker reaches it."""

    direct: str
    listener: Listener
    proxy: Proxy


@pytest.fixture(scope="module")
def net() -> Generator[Net]:
    listener = new_listener()
    with temporary_cluster(brokers=1, properties=listener.properties()) as kafka, proxied(listener) as proxy:
        yield Net(kafka.bootstrap, listener, proxy)


@pytest.fixture
def connection(net: Net, namespace: str) -> Connection:
    return Connection(net.direct, namespace)


@pytest.fixture
def behind_proxy(net: Net, workers: Workers, tmp_path: Path) -> Generator[Workers]:
    """Workers of the same namespace that reach the broker through the proxy alone."""
    net.proxy.heal()
    found = Workers(
        replace(workers.connection, bootstrap=net.listener.bootstrap), tmp_path / "proxied", steps=workers.steps
    )
    yield found
    net.proxy.heal()
    found.end()


@pytest.mark.parametrize(
    "whose",
    [
        everybody,
        pytest.param(of_librdkafka, marks=pytest.mark.long),
        pytest.param(of_the_consumer, marks=pytest.mark.long),
    ],
)
def test_a_worker_that_is_cut_off_past_its_session_does_no_harm_when_the_network_heals(
    whose: Whose, net: Net, behind_proxy: Workers, workers: Workers, topics: Topics
) -> None:
    publisher = Publisher(workers.connection)
    load = make_load(41, journeys=60, waves=3)
    lost = behind_proxy.started("lost")
    load.send_wave(0, publisher)
    net.proxy.cut(whose)
    load.send_wave(1, publisher)
    heir = workers.start("heir")
    workers.until(lambda: heir.partitions == ALL, of=[heir])
    load.send_wave(2, publisher)
    # What it sent before the heir came reaches the broker now.
    net.proxy.heal()

    assert lost.ended() != 0
    assert re.search("another worker owns partition|worker must exit|no Kafka broker answers", lost.told())
    assert "Future exception was never retrieved" not in lost.told()
    check_load(load, topics, publisher, workers)
    assert heir.stop() == 0


@pytest.mark.long
def test_a_worker_that_is_cut_off_for_less_than_its_session_goes_on_as_if_nothing_had_been(
    net: Net, behind_proxy: Workers, workers: Workers, topics: Topics
) -> None:
    publisher = Publisher(workers.connection)
    load = make_load(42, journeys=60, waves=4)
    worker = behind_proxy.started()
    net.proxy.delay(0.02)
    for wave in range(4):
        load.send_wave(wave, publisher)
        net.proxy.cut()
        time.sleep(SESSION_SECONDS / 3)
        net.proxy.heal()
    net.proxy.delay(0)

    check_load(load, topics, publisher, workers)
    for kind in ("book", "drive"):
        executed = workers.executed(kind)
        assert len(executed) == len(set(executed))
    assert worker.stop() == 0
