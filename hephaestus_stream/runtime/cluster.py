"""What the engine asks of a cluster's administration: describe topics, create topics."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, cast

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

# They are public, but the package re-exports them without saying so to type checkers.
from confluent_kafka.admin import ConfigResource, NewTopic  # type: ignore[attr-defined]  # isort: skip  # pyright: ignore[reportPrivateImportUsage]

from hephaestus_stream.errors import TopicMismatchError
from hephaestus_stream.kafka_client import DENIED, denied, quiet, wrong_options
from hephaestus_stream.runtime.broker import PATIENCE, await_broker, kafka_error
from hephaestus_stream.runtime.unready import answer_of, not_ready, once_ready
from hephaestus_stream.wire.connection import Connection

_PATIENCE: Final = PATIENCE.total_seconds()


class TopicToCreate(Protocol):
    """A topic that may be created."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def options(self) -> dict[str, str]:
        """Its options by Kafka's names."""
        ...


class _Operation(Protocol):
    name: str


class _Topic(Protocol):
    topic_id: object
    partitions: list[object]
    authorized_operations: list[_Operation] | None


class _Group(Protocol):
    authorized_operations: list[_Operation] | None


class _Option(Protocol):
    value: str | None


class _Administration(Protocol):
    """The part of `AdminClient` that is used here, with the types that its futures lack."""

    def list_topics(self, topic: str, timeout: float, /) -> object: ...

    def describe_topics(
        self, topics: TopicCollection, *, request_timeout: float, include_authorized_operations: bool
    ) -> dict[str, Future[_Topic]]: ...

    def describe_consumer_groups(
        self, group_ids: list[str], *, request_timeout: float, include_authorized_operations: bool
    ) -> dict[str, Future[_Group]]: ...

    def create_topics(self, new_topics: list[NewTopic], *, request_timeout: float) -> dict[str, Future[None]]: ...

    def describe_configs(
        self, resources: list[ConfigResource], *, request_timeout: float
    ) -> dict[ConfigResource, Future[dict[str, _Option]]]: ...


@dataclass(frozen=True, slots=True)
class TopicDescribed:
    """A topic as the cluster has it.

    Attributes:
        name: Its name.
        topic_id: Its id.
        partitions: How many it has.
        options: Its options; empty unless asked for.
        allowed: What may be done with it, as `READ` and `WRITE`; None where the broker does not tell.
    """

    name: str
    topic_id: str
    partitions: int
    options: Mapping[str, str]
    allowed: frozenset[str] | None = None


class Cluster:
    """The administration of one cluster; its methods block and belong into a thread.

    Every method raises `BrokerUnreachableError` within 10 s when no broker answers.

    Attributes:
        connection: The cluster, and the namespace.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        with wrong_options():
            self._admin = cast(_Administration, AdminClient(quiet(connection.librdkafka())))

    @property
    def namespace(self) -> str:
        """The namespace of the connection."""
        return self.connection.namespace

    def describe(
        self,
        names: Sequence[str],
        *,
        with_options: bool = False,
        stop: threading.Event | None = None,
        patience: timedelta = PATIENCE,
    ) -> dict[str, TopicDescribed]:
        """The topics that exist among these.

        Args:
            names: Of the topics.
            with_options: Whether to ask for their options, too.
            stop: Ends the waiting for a broker.
            patience: For how long each answer is waited for.
        """
        await_broker(self._admin, self.connection, stop=stop or threading.Event(), patience=patience)
        within = patience.total_seconds()
        futures = self._admin.describe_topics(
            TopicCollection(list(names)), request_timeout=within, include_authorized_operations=True
        )
        found: dict[str, _Topic] = {}
        hidden: list[str] = []
        denial: KafkaError | None = None
        for name, future in futures.items():
            try:
                found[name] = answer_of(future, self.connection)
            except KafkaException as failure:
                error = kafka_error(failure)
                if error.code() in DENIED:
                    hidden.append(name)
                    denial = error
                elif error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        if denial is not None:
            right = f"Describe, which Read and Write include, on topic {', '.join(hidden)}"
            raise denied(self.connection, denial, right=right)
        options: dict[str, dict[str, str]] = {name: {} for name in found}
        if with_options and found:
            options = self.options(list(found), patience=patience)
        return {
            name: TopicDescribed(
                name,
                str(topic.topic_id),
                len(topic.partitions),
                options[name],
                _names(topic.authorized_operations),
            )
            for name, topic in found.items()
            if name in options
        }

    def options(self, names: Sequence[str], *, patience: timedelta = PATIENCE) -> dict[str, dict[str, str]]:
        """The options of topics by their names; without those that the broker which answers does not know (yet)."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        futures = self._admin.describe_configs(resources, request_timeout=patience.total_seconds())
        values = {resource.name: self._option_values(resource.name, future) for resource, future in futures.items()}
        return {name: options for name, options in values.items() if options is not None}

    def require_membership(self, group: str) -> None:
        """Return if this connection may be a member of the group, as far as can be told of one that is empty yet.

        Raises:
            AccessDeniedError: It may not.
        """
        self._require_broker()
        futures = self._admin.describe_consumer_groups(
            [group], request_timeout=_PATIENCE, include_authorized_operations=True
        )
        try:
            futures[group].result()
        except KafkaException as failure:
            error = kafka_error(failure)
            if error.code() in DENIED:
                raise denied(self.connection, error, right=f"Read on group {group}") from failure
            # Whatever else it may be, such as a coordinator that is just loading, says nothing of rights.

    def create(self, topics: Sequence[TopicToCreate], *, partitions: int, replication_factor: int) -> list[str]:
        """Create those that do not exist; returns their names.

        Raises:
            ClusterNotReadyError: Fewer brokers run than are to hold each topic; the message has both numbers.
            TopicMismatchError: The cluster refuses one.
        """
        self._require_broker()
        new = [NewTopic(topic.name, partitions, replication_factor, config=topic.options()) for topic in topics]
        futures = self._admin.create_topics(new, request_timeout=_PATIENCE)
        created: list[str] = []
        refused: list[str] = []
        for name, future in futures.items():
            try:
                answer_of(future, self.connection)
                created.append(name)
            except KafkaException as failure:
                error = kafka_error(failure)
                if error.code() in DENIED:
                    raise denied(self.connection, error, right=f"Create on topic {name}") from failure
                if error.code() == KafkaError.INVALID_REPLICATION_FACTOR:
                    why = (
                        f"{name} cannot be created: {error.str().rstrip('.')} (or `replication_factor` is set too high)"
                    )
                    raise not_ready(self.connection, why) from failure
                if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    refused.append(f"{name} cannot be created: {error.str()}")
        if refused:
            raise TopicMismatchError("; ".join(refused), refused)
        return created

    def await_topics(self, names: Sequence[str], *, with_options: bool = False) -> dict[str, TopicDescribed]:
        """The topics, which were created at some time, as soon as the cluster knows them all.

        Raises:
            ClusterNotReadyError: It does not in time.
        """
        return once_ready(partial(self._all, names, with_options=with_options))

    def _all(self, names: Sequence[str], *, with_options: bool) -> dict[str, TopicDescribed]:
        described = self.describe(names, with_options=with_options)
        missing = sorted(set(names) - described.keys())
        if missing:
            raise not_ready(self.connection, f"it does not know {', '.join(missing)}, which was created")
        return described

    def _require_broker(self) -> None:
        await_broker(self._admin, self.connection, stop=threading.Event())

    def _option_values(self, topic: str, future: Future[dict[str, _Option]]) -> dict[str, str] | None:
        try:
            return {name: str(entry.value) for name, entry in answer_of(future, self.connection).items()}
        except KafkaException as failure:
            error = kafka_error(failure)
            if error.code() in DENIED:
                raise denied(self.connection, error, right=f"DescribeConfigs on topic {topic}") from failure
            if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise


def _names(operations: list[_Operation] | None) -> frozenset[str] | None:
    return None if operations is None else frozenset(operation.name for operation in operations)
