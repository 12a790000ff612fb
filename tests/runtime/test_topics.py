"""The topics of a namespace against a real broker."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from confluent_kafka import KafkaError, KafkaException

from hephaestus_stream.errors import BrokerUnreachableError, ClusterNotReadyError, TopicMismatchError
from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.topics import (
    TopicSpec,
    check_topics,
    create_topics,
    topic_ids,
    topic_specs,
)
from hephaestus_stream.runtime.unready import answer_of, not_ready, once_ready
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics


def test_created_topics_pass_the_check_and_are_left_alone_the_second_time(connection: Connection) -> None:
    names = list(Topics(connection.namespace))
    assert create_topics(connection, partitions=3, replication_factor=1) == names
    assert create_topics(connection, partitions=3, replication_factor=1) == []
    assert check_topics(connection, partitions=3) == 3


def test_without_a_number_twelve_partitions_are_made(connection: Connection) -> None:
    create_topics(connection, replication_factor=1)
    assert check_topics(connection) == 12


def test_the_existing_state_topic_decides_the_number_of_partitions(connection: Connection) -> None:
    state = topic_specs(connection.namespace)[0]
    Cluster(connection).create([state], partitions=5, replication_factor=1)
    create_topics(connection, replication_factor=1)
    assert check_topics(connection) == 5


def test_another_number_than_that_of_the_state_topic_is_refused_before_anything_is_made(
    connection: Connection,
) -> None:
    state = topic_specs(connection.namespace)[0]
    Cluster(connection).create([state], partitions=5, replication_factor=1)
    with pytest.raises(TopicMismatchError, match="has 5 partitions, not 4"):
        create_topics(connection, partitions=4, replication_factor=1)
    assert list(topic_ids(connection)) == [state.name]


def test_workers_that_create_at_once_create_each_topic_once(connection: Connection) -> None:
    with ThreadPoolExecutor(4) as workers:
        calls = [workers.submit(create_topics, connection, partitions=2, replication_factor=1) for _ in range(4)]
        created = [name for call in calls for name in call.result()]
    assert sorted(created) == sorted(Topics(connection.namespace))
    assert check_topics(connection) == 2


def test_missing_topics_are_all_listed_with_the_way_out(connection: Connection) -> None:
    with pytest.raises(TopicMismatchError, match="`hephaestus topics create --namespace ") as mismatch:
        check_topics(connection)
    assert len(mismatch.value.problems) == 7


def test_everything_that_differs_is_listed(connection: Connection) -> None:
    names = Topics(connection.namespace)
    day = str(24 * 3600 * 1000)
    wrong = [
        TopicSpec(name=names.state, exactly={"cleanup.policy": "delete", "message.timestamp.type": "CreateTime"}),
        TopicSpec(name=names.commands, exactly={"retention.ms": day, "retention.bytes": "1000000"}),
        TopicSpec(name=names.history, exactly={"cleanup.policy": "compact", "max.message.bytes": "1048588"}),
    ]
    cluster = Cluster(connection)
    cluster.create(wrong, partitions=2, replication_factor=1)
    cluster.create([TopicSpec(name=names.replies, exactly={})], partitions=3, replication_factor=1)
    create_topics(connection, replication_factor=1)
    with pytest.raises(TopicMismatchError) as mismatch:
        check_topics(connection)
    found = [problem.split(":")[0].removeprefix(f"{connection.namespace}.") for problem in mismatch.value.problems]
    assert found == [
        "state has cleanup.policy=delete, not compact",
        "state has message.timestamp.type=CreateTime, not LogAppendTime",
        "state has max.message.bytes=1048588, not 2000000 or more",
        "commands has message.timestamp.type=CreateTime, not LogAppendTime",
        "commands has max.message.bytes=1048588, not 2000000 or more",
        f"commands has retention.ms={day}, not 1209600000 or more",
        "commands has retention.bytes=1000000, not -1",
        "history has cleanup.policy=compact, not delete",
        "history has max.message.bytes=1048588, not 2000000 or more",
        "replies has 3 partitions, not 2",
        "replies has max.message.bytes=1048588, not 2000000 or more",
    ]


def test_commands_may_be_kept_for_ever_and_outputs_for_a_day(connection: Connection) -> None:
    names = Topics(connection.namespace)
    day = str(24 * 3600 * 1000)
    for_ever = topic_specs(connection.namespace)[1].options() | {"retention.ms": "-1"}
    shorter = {"retention.ms": day, "max.message.bytes": "3000000"}
    custom = [TopicSpec(name=names.commands, exactly=for_ever), TopicSpec(name=names.history, exactly=shorter)]
    Cluster(connection).create(custom, partitions=2, replication_factor=1)
    create_topics(connection, partitions=2, replication_factor=1)
    assert check_topics(connection) == 2


def test_too_few_brokers_for_the_replication_are_a_cluster_that_is_not_ready(connection: Connection) -> None:
    with pytest.raises(ClusterNotReadyError, match=r"factor of 9 cannot be reached because only 1 broker"):
        create_topics(connection, replication_factor=9)


def test_a_topic_that_the_broker_asked_for_options_does_not_know_yet_counts_as_missing(connection: Connection) -> None:
    state, commands, *_ = topic_specs(connection.namespace)
    cluster = Cluster(connection)
    cluster.create([state], partitions=1, replication_factor=1)
    cluster.await_topics([state.name])
    assert list(cluster.options([state.name, commands.name])) == [state.name]


def test_topics_that_exist_are_waited_for_as_brokers_that_come_back_do_not_know_them_yet(
    connection: Connection,
) -> None:
    with ThreadPoolExecutor(1) as worker:
        checked = worker.submit(check_topics, connection, exist=True)
        assert not wait([checked], timeout=0.5).done
        create_topics(connection, partitions=2, replication_factor=1)
        assert checked.result(30) == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._TIMED_OUT, BrokerUnreachableError),  # pyright: ignore[reportPrivateUsage] - librdkafka's own
        (KafkaError.NOT_CONTROLLER, BrokerUnreachableError),
        (KafkaError.INVALID_CONFIG, KafkaException),
    ],
)
def test_an_answer_of_a_cluster_without_a_controller_says_that_it_is_not_ready(
    code: int, kind: type[Exception]
) -> None:
    answer = Future[None]()
    answer.set_exception(KafkaException(KafkaError(code, "Failed while waiting for controller")))

    with pytest.raises(kind, match="Failed while waiting for controller"):
        answer_of(answer, Connection("kafka:9092"))


def test_what_a_cluster_is_asked_is_asked_until_it_is_ready() -> None:
    left = [not_ready(Connection("kafka:9092"), "no controller")] * 2

    def ask() -> str:
        if left:
            raise left.pop()
        return "ready"

    assert once_ready(ask) == "ready"


def test_without_a_broker_the_address_is_named() -> None:
    with pytest.raises(BrokerUnreachableError, match="localhost:1"):
        check_topics(Connection("localhost:1"))
