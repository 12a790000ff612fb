"""Users of the secured Kafka, and what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hephaestus_stream.settings import Settings, load_settings
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.rights import Right
from tests.security.secured_kafka import KAFKA, PASSWORD, SecuredKafka

KINDS = {"topic": "TOPIC", "group": "GROUP", "transactional-id": "TRANSACTIONAL_ID"}
OPERATIONS = {"DescribeConfigs": "DESCRIBE_CONFIGS"}


@dataclass(frozen=True)
class Users:
    """A namespace with topics, a worker and a client, who may do nothing yet."""

    kafka: SecuredKafka
    namespace: str
    folder: Path

    def connection(self, user: str) -> Connection:
        return Connection(
            self.kafka.sasl_plaintext,
            self.namespace,
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": f"{self.namespace}-{user}",
                "sasl.password": PASSWORD,
            },
        )

    @property
    def settings(self) -> Settings:
        worker = self.connection("worker")
        return load_settings(
            bootstrap=worker.bootstrap,
            namespace=self.namespace,
            kafka=dict(worker.options),
            data=self.folder,
            grace=timedelta(0),
        )

    def allow(self, user: str, rights: Sequence[Right]) -> None:
        """Adds rights to a user's."""
        admin = self.kafka.admin  # a client that is garbage cancels its requests
        for done in admin.create_acls([self._binding(user, right) for right in rights]).values():
            done.result(timeout=10)

    def _binding(self, user: str, right: Right) -> object:
        return KAFKA.AclBinding(
            KAFKA.ResourceType[KINDS[right.kind]],
            right.name,
            KAFKA.ResourcePatternType["PREFIXED" if right.is_prefix else "LITERAL"],
            f"User:{self.namespace}-{user}",
            "*",
            KAFKA.AclOperation[OPERATIONS.get(right.operation, right.operation.upper())],
            KAFKA.AclPermissionType.ALLOW,
        )
