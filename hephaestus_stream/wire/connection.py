"""How to reach the Kafka cluster."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Final

from hephaestus_stream.wire.security import Security, resolved, security_of
from hephaestus_stream.wire.topics import DEFAULT_NAMESPACE

_logger: Final = logging.getLogger(__name__)

# The namespace names the group and the transactions: two groups, or two transactions of a partition, would be two
# owners that do not know of each other. The others decide what is read, and of which broker, since those that
# follow the leader tell earlier ends, and whether what is sent is lost or doubled.
OWN_OPTIONS: Final = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "client.rack",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "isolation.level",
        "request.required.acks",
        "transactional.id",
    }
)
"""Options of librdkafka that are the engine's own: as raw options of a user they are left out."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of a Kafka cluster and raw options that pass through to the clients.

    Attributes:
        bootstrap: `host:port`, several separated by commas.
        namespace: The prefix of every topic, the consumer group and the transactional ids: one namespace is one
            engine, and engines with different namespaces never meet.
        options: Options of librdkafka by their own names, such as `security.protocol`; a password may be in a file that
            `sasl.password.file` or `ssl.key.password.file` names. They are never shown.
        security: What these options say about security.

    Raises:
        SettingsError: An option about security is wrong, or one that not all of our Kafka libraries obey.
    """

    bootstrap: str
    namespace: str = DEFAULT_NAMESPACE
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    security: Security = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Read the files that hold passwords, and check what concerns security."""
        options = resolved(self.options)
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "security", security_of(options))
        _warn_of(tuple(sorted(options.keys() & (OWN_OPTIONS | {"bootstrap.servers"}))))

    def librdkafka(self, **extra: str | float | bool) -> dict[str, str | int | float | bool]:
        """The configuration of a librdkafka client: the connection, then `extra` with dots written as `_`.

        The raw options of the user come first, and without `OWN_OPTIONS`, so that what correctness needs cannot be
        overridden by them, nor reach a client that sets no such option.
        """
        own = {name.replace("_", "."): value for name, value in extra.items()}
        given = {name: value for name, value in self.options.items() if name not in OWN_OPTIONS}
        return {**given, "bootstrap.servers": self.bootstrap, **own}


@cache
def _warn_of(own: tuple[str, ...]) -> None:
    """Says once what is without effect: a connection is made anew wherever settings are read."""
    if own:
        _logger.warning(
            "these options of the Kafka connection are the engine's own, and without effect: %s; `bootstrap` and "
            "`namespace` say where it works",
            ", ".join(own),
        )
