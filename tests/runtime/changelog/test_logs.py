"""What the topics of a namespace are, asked while they change."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from hephaestus_stream.errors import BrokerUnreachableError, ShardClosedError, StoppedError
from hephaestus_stream.runtime.changelog.logs import ask_logs
from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.topics import create_topics, topic_ids
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

SOON = timedelta(seconds=1)


def test_the_topics_are_told_with_their_ids_and_the_life_of_deletions(connection: Connection) -> None:
    create_topics(connection, partitions=1, replication_factor=1)
    logs = ask_logs(Cluster(connection), stop=threading.Event())
    names, ids = Topics(connection.namespace), topic_ids(connection)
    assert (logs.changelog.topic_id, logs.commands_id) == (ids[names.state], ids[names.commands])
    assert logs.changelog.tombstone_life == timedelta(days=1)


def test_topics_that_are_missing_are_named_with_the_way_out(connection: Connection) -> None:
    with pytest.raises(ShardClosedError, match=r"state and .*commands went missing.*positions reset --accept-loss"):
        ask_logs(Cluster(connection), stop=threading.Event(), patience=SOON)


def test_without_a_broker_the_question_ends_in_time() -> None:
    with pytest.raises(BrokerUnreachableError, match="within 1 s"):
        ask_logs(Cluster(Connection("localhost:1", "nobody")), stop=threading.Event(), patience=SOON)


def test_the_question_can_be_stopped(connection: Connection) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        ask_logs(Cluster(connection), stop=stop)
