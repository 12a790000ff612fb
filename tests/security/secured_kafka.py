"""One broker with a listener for each way to be secure, and with an authorizer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from confluent_kafka import admin as kafka_admin

from hephaestus_stream.local_kafka import temporary_cluster
from hephaestus_stream.local_kafka.ports import HOST, free_ports
from hephaestus_stream.wire.connection import Connection
from tests.security.certificates import Authority, Identity

PASSWORD = "correct-horse-battery-staple"  # noqa: S105 - of a broker that lives for these tests
KEY_PASSWORD = "open-sesame-key"  # noqa: S105 - as above
# Sessions of these users end soon: then they have to show their password again.
SHORT_SESSION = 2_000


class Admin(Protocol):
    """What of the admin client is used here; its own types leave the futures' results open."""

    def alter_user_scram_credentials(self, alterations: list[object]) -> dict[str, Future[None]]: ...

    def create_acls(self, acls: list[object]) -> dict[object, Future[None]]: ...

    def delete_acls(self, filters: list[object]) -> dict[object, Future[object]]: ...


class AdminModule(Protocol):
    """What of `confluent_kafka.admin` is used here; it re-exports this without saying so to type checkers."""

    AdminClient: Callable[[dict[str, str]], Admin]
    ScramCredentialInfo: Callable[[object, int], object]
    ScramMechanism: Any
    UserScramCredentialUpsertion: Callable[[str, object, bytes], object]
    AclBinding: Callable[..., object]
    AclBindingFilter: Callable[..., object]
    AclOperation: Any
    AclPermissionType: Any
    ResourceType: Any
    ResourcePatternType: Any


KAFKA = cast(AdminModule, kafka_admin)


@dataclass(frozen=True)
class SecuredKafka:
    """The addresses of a broker, whom to trust, and what proves the client `robot`."""

    internal: str
    sasl_plaintext: str
    sasl_ssl: str
    ssl: str
    authority: Path
    stranger: Path
    client: Identity

    def connection(self, listener: str, namespace: str, **options: str) -> Connection:
        """A connection to one of the listeners, with options whose dots are written as `_`."""
        return Connection(getattr(self, listener), namespace, dotted(options))

    @property
    def admin(self) -> Admin:
        """An administrator, who may do everything."""
        return KAFKA.AdminClient({"bootstrap.servers": self.internal})

    def set_password(self, user: str, password: str, mechanism: str = "SCRAM_SHA_512") -> None:
        """Lets a user in with this password from now on, and with no other."""
        admin = self.admin  # a client that is garbage cancels its requests
        info = KAFKA.ScramCredentialInfo(KAFKA.ScramMechanism[mechanism], 4096)
        change = KAFKA.UserScramCredentialUpsertion(user, info, password.encode())
        for changed in admin.alter_user_scram_credentials([change]).values():
            changed.result(timeout=10)


def dotted(options: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): value for name, value in options.items()}


@contextmanager
def secured_kafka(folder: Path) -> Generator[SecuredKafka]:
    authority, stranger = Authority(folder, "authority"), Authority(folder, "stranger")
    server = authority.identity("broker", hosts=True)
    client = authority.identity("robot", password=KEY_PASSWORD)
    ports = free_ports(3)
    names = dict(zip(("SASL_PLAINTEXT", "SASL_SSL", "SSL"), ports, strict=True))
    listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in names.items())
    properties = {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in names),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server.both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
        "listener.name.ssl.ssl.client.auth": "required",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:plain;User:scram;User:leaver;User:CN=robot",
        **_jaas("sasl_plaintext"),
        **_jaas("sasl_ssl"),
        "listener.name.sasl_plaintext.scram-sha-256.connections.max.reauth.ms": str(SHORT_SESSION),
    }
    with temporary_cluster(brokers=1, properties=properties) as kafka:
        addresses = {name.lower(): f"{HOST}:{port}" for name, port in names.items()}
        secured = SecuredKafka(
            internal=kafka.bootstrap,
            authority=authority.certificate,
            stranger=stranger.certificate,
            client=client,
            **addresses,
        )
        secured.set_password("scram", PASSWORD)
        yield secured


def _jaas(listener: str) -> dict[str, str]:
    modules = "org.apache.kafka.common.security"
    scram = f"{modules}.scram.ScramLoginModule required;"
    return {
        f"listener.name.{listener}.plain.sasl.jaas.config": (
            f'{modules}.plain.PlainLoginModule required user_plain="{PASSWORD}";'
        ),
        f"listener.name.{listener}.scram-sha-256.sasl.jaas.config": scram,
        f"listener.name.{listener}.scram-sha-512.sasl.jaas.config": scram,
    }
