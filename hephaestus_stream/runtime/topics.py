"""The topics of a namespace: what the engine needs of them, made and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hephaestus_stream.errors import AccessDeniedError, TopicMismatchError
from hephaestus_stream.runtime.cluster import Cluster, TopicDescribed
from hephaestus_stream.runtime.transaction import MAX_MESSAGE_BYTES
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.rights import Right, worker_rights
from hephaestus_stream.wire.topics import Topics

DEFAULT_PARTITIONS: Final = 12
COMMANDS_RETENTION: Final = timedelta(days=14)
OUTPUT_RETENTION: Final = timedelta(days=7)
TOMBSTONE_LIFE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What the engine needs of one topic.

    Attributes:
        name: Its name.
        exactly: Options that must have these values.
        at_least: Options that must have these values or more; -1 is without limit.
        initially: Options for a topic made by the engine, which the operator may change.
    """

    name: str
    exactly: Mapping[str, str]
    at_least: Mapping[str, int] = field(default_factory=dict[str, int])
    initially: Mapping[str, str] = field(default_factory=dict[str, str])

    def options(self) -> dict[str, str]:
        """The options of the topic when the engine makes it."""
        return {**self.initially, **{name: str(value) for name, value in self.at_least.items()}, **self.exactly}


def topic_specs(namespace: str) -> tuple[TopicSpec, ...]:
    """The topics of a namespace, `state` first."""
    topics = Topics(namespace)
    outputs = (topics.history, topics.step_results, topics.completions, topics.replies, topics.dead_letters)
    return (_state(topics.state), _commands(topics.commands), *(_output(name) for name in outputs))


def _state(name: str) -> TopicSpec:
    return TopicSpec(
        name=name,
        # The broker's clock: databases are dated by it, and an old date would let compaction hurry.
        exactly={"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"},
        at_least={"max.message.bytes": MAX_MESSAGE_BYTES},
        initially={
            "delete.retention.ms": _milliseconds(TOMBSTONE_LIFE),
            # The active segment is never compacted: small ones keep the replay short.
            "segment.bytes": str(64 * 1024 * 1024),
            "segment.ms": _milliseconds(timedelta(hours=6)),
            "min.cleanable.dirty.ratio": "0.3",
        },
    )


def _commands(name: str) -> TopicSpec:
    return TopicSpec(
        name=name,
        # LogAppendTime: a replay of old data must not be deletable unread.
        exactly={"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"},
        at_least={
            "max.message.bytes": MAX_MESSAGE_BYTES,
            "retention.ms": int(_milliseconds(COMMANDS_RETENTION)),
            "retention.bytes": -1,
        },
    )


def _output(name: str) -> TopicSpec:
    return TopicSpec(
        name=name,
        exactly={"cleanup.policy": "delete"},
        at_least={"max.message.bytes": MAX_MESSAGE_BYTES},
        initially={"retention.ms": _milliseconds(OUTPUT_RETENTION)},
    )


def _milliseconds(duration: timedelta) -> str:
    return str(duration // timedelta(milliseconds=1))


def create_topics(connection: Connection, *, partitions: int | None = None, replication_factor: int) -> list[str]:
    """Create the topics that are missing, and leave the others as they are; several workers may do so at once.

    Args:
        connection: Cluster and namespace.
        partitions: How many each topic has; None takes over what `state` has, or 12.
        replication_factor: How many brokers hold each; -1 is the broker's own default.

    Returns:
        The names of those that this call created.

    Raises:
        BrokerUnreachableError: No broker answers, or fewer run than are to hold each topic.
        TopicMismatchError: `state` exists with another number of partitions, or the cluster refuses a topic.
    """
    cluster = Cluster(connection)
    state, *others = topic_specs(connection.namespace)
    created: list[str] = []
    described = cluster.describe([state.name]).get(state.name)
    if described is None:
        wanted = DEFAULT_PARTITIONS if partitions is None else partitions
        created += cluster.create([state], partitions=wanted, replication_factor=replication_factor)
        # Another worker may have been faster, with another number: then that one counts for all.
        described = cluster.await_topics([state.name])[state.name]
    if partitions not in {None, described.partitions}:
        raise _mismatch(connection, [_wrong_count(described, partitions or 0)])
    names = [spec.name for spec in others]
    present = cluster.describe(names)
    # Nothing is asked for that is there: a worker need not have the right to make topics.
    missing = [spec for spec in others if spec.name not in present]
    if missing:
        created += cluster.create(missing, partitions=described.partitions, replication_factor=replication_factor)
        cluster.await_topics(names)
    return created


def check_topics(connection: Connection, *, partitions: int | None = None, exist: bool = False) -> int:
    """Compare the topics of a namespace with what the engine needs.

    Args:
        connection: Cluster and namespace.
        partitions: How many each topic must have; None takes over what `state` has.
        exist: Whether they were created before, so that a broker which does not know them has just come back.

    Returns:
        The number of partitions of every topic.

    Raises:
        BrokerUnreachableError: No broker answers, or the cluster is not ready.
        TopicMismatchError: Topics are missing or differ; all problems are listed.
    """
    specs = topic_specs(connection.namespace)
    cluster = Cluster(connection)
    ask = cluster.await_topics if exist else cluster.describe
    described = ask([spec.name for spec in specs], with_options=True)
    state = described.get(specs[0].name)
    wanted = partitions if partitions is not None else state.partitions if state else DEFAULT_PARTITIONS
    problems = [
        problem
        for spec in specs
        for problem in _problems(spec, described.get(spec.name), partitions=wanted, connection=connection)
    ]
    if problems:
        raise _mismatch(connection, problems)
    return wanted


def check_rights(connection: Connection) -> None:
    """Ask the cluster whether this connection may do with the topics what a worker does.

    Of transactional ids only their use tells.

    Raises:
        BrokerUnreachableError: No broker answers.
        AccessDeniedError: Rights are missing; all of them are listed.
    """
    cluster = Cluster(connection)
    described = cluster.describe(list(Topics(connection.namespace)))
    missing = [
        str(right)
        for right in worker_rights(connection.namespace)
        if right.operation in {"Read", "Write"} and not _is_allowed(right, described.get(right.name))
    ]
    if missing:
        raise AccessDeniedError(
            f"{connection.security.identity} lacks rights that a worker needs: {', '.join(missing)} (topic "
            "authorization): docs/security.md has the commands that give them"
        )
    cluster.require_membership(connection.namespace)


def topic_ids(connection: Connection) -> dict[str, str]:
    """The ids of the namespace's topics by name; those that are missing are left out.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    described = Cluster(connection).describe(list(Topics(connection.namespace)))
    return {name: topic.topic_id for name, topic in described.items()}


def _is_allowed(right: Right, topic: TopicDescribed | None) -> bool:
    """Whether nothing is known that speaks against it."""
    return topic is None or topic.allowed is None or right.operation.upper() in topic.allowed


def _problems(spec: TopicSpec, topic: TopicDescribed | None, *, partitions: int, connection: Connection) -> list[str]:
    if topic is None:
        return [f"{spec.name} is missing: create it with `{Topics(connection.namespace).creation}`"]
    problems = [] if topic.partitions == partitions else [_wrong_count(topic, partitions)]
    for option, wanted in spec.exactly.items():
        if topic.options[option] != wanted:
            problems.append(_wrong_option(topic, option, wanted))
    for option, least in spec.at_least.items():
        if not _is_enough(int(topic.options[option]), least):
            problems.append(_wrong_option(topic, option, str(least), more_is_fine=least != -1))
    return problems


def _is_enough(value: int, least: int) -> bool:
    return value == -1 or (least != -1 and value >= least)


def _wrong_count(topic: TopicDescribed, wanted: int) -> str:
    return (
        f"{topic.name} has {topic.partitions} partitions, not {wanted}: the number is fixed when a namespace begins; "
        f"set it to what `state` has, or begin another namespace"
    )


def _wrong_option(topic: TopicDescribed, option: str, wanted: str, *, more_is_fine: bool = False) -> str:
    more = " or more" if more_is_fine else ""
    return (
        f"{topic.name} has {option}={topic.options[option]}, not {wanted}{more}: "
        f"kafka-configs --alter --topic {topic.name} --add-config {option}={wanted}"
    )


def _mismatch(connection: Connection, problems: list[str]) -> TopicMismatchError:
    lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, start=1))
    return TopicMismatchError(
        f"the topics of the namespace {connection.namespace!r} are not as the engine needs them:\n{lines}", problems
    )
