"""A partition that is given back while it is opened: what was begun for it must not hit its next owner."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import pytest

from hephaestus_stream.errors import StoppedError
from hephaestus_stream.local_kafka import temporary_cluster
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.runtime.transaction import TransactionalProducer
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics
from tests.reliability.proxy import INIT_PRODUCER_ID, Listener, Proxy, new_listener, proxied


@dataclass(frozen=True)
class Net:
    """A broker, and a proxy through which the first owner reaches it."""

    direct: str
    listener: Listener
    proxy: Proxy


@pytest.fixture(scope="module")
def net() -> Generator[Net]:
    listener = new_listener()
    with temporary_cluster(brokers=1, properties=listener.properties()) as kafka, proxied(listener) as proxy:
        yield Net(kafka.bootstrap, listener, proxy)


def test_an_opening_that_is_stopped_ends_only_when_it_cannot_fence_the_next_owner_any_more(
    net: Net, namespace: str
) -> None:
    connection = Connection(net.direct, namespace)
    create_topics(connection, partitions=1, replication_factor=1)
    stop, is_owned = threading.Event(), threading.Event()
    first = TransactionalProducer(Connection(net.listener.bootstrap, namespace), partition=0, stop=stop)
    next_owner = TransactionalProducer(connection, partition=0, stop=threading.Event())
    kept: list[StoppedError] = []

    def give_back() -> None:
        try:
            first.open()
        except StoppedError as error:
            # Somebody may hold on to the error: its frames must not keep the producer alive.
            kept.append(error)
        first.close()
        next_owner.open()
        is_owned.set()

    request = net.proxy.cut_at(INIT_PRODUCER_ID)
    opening = threading.Thread(target=give_back)
    opening.start()
    with closing(next_owner):
        assert request.wait(30)
        stop.set()
        # Only an opening that does not wait has a next owner by now, whom the request then reaches.
        is_owned.wait(2)
        net.proxy.heal()
        opening.join()

        record = OutputRecord(Topics(namespace).state, b"chair", b"oak")
        for _ in range(20):
            next_owner.commit([record])
    assert kept
