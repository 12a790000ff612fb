"""How to reach the Kafka cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of a Kafka cluster and raw options that pass through to the clients.

    Attributes:
        bootstrap: `host:port`, several separated by commas.
        namespace: The prefix of every topic, the consumer group and the transactional ids: one namespace is one
            engine, and engines with different namespaces never meet.
        options: Options of librdkafka by their own names, such as `security.protocol`.
    """

    bootstrap: str
    namespace: str = "hephaestus"
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def librdkafka(self, **extra: str | float | bool) -> dict[str, str | int | float | bool]:
        """The configuration of a librdkafka client: the connection, then `extra` with dots written as `_`.

        The raw options of the user come first, so that what correctness needs cannot be overridden by them.
        """
        own = {name.replace("_", "."): value for name, value in extra.items()}
        return {**self.options, "bootstrap.servers": self.bootstrap, **own}
