"""Which rights worker and client need of a Kafka that has access control: by topic, group and transactional id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hephaestus_stream.wire.topics import Topics

Operation = Literal["Create", "Describe", "DescribeConfigs", "Read", "Write"]
Kind = Literal["topic", "group", "transactional-id"]


@dataclass(frozen=True, slots=True)
class Right:
    """One right, as an access control list has it.

    Attributes:
        operation: What may be done, by Kafka's word; `Read` and `Write` include `Describe`.
        kind: With what.
        name: Its name.
        is_prefix: Whether it is the beginning of names.
    """

    operation: Operation
    kind: Kind
    name: str
    is_prefix: bool = False

    def __str__(self) -> str:
        """As errors name it."""
        return f"{self.operation} on {self.kind} {self.name}{'*' if self.is_prefix else ''}"


def worker_rights(namespace: str) -> tuple[Right, ...]:
    """What a worker needs whose topics are there already."""
    topics = Topics(namespace)
    return (
        Right("Read", "topic", topics.commands),
        Right("Read", "topic", topics.state),
        # To `commands` too: what came into a wrong partition is forwarded.
        *(Right("Write", "topic", name) for name in topics),
        *(Right("DescribeConfigs", "topic", name) for name in topics),
        Right("Read", "group", namespace),
        Right("Write", "transactional-id", f"{namespace}-", is_prefix=True),
    )


def creator_rights(namespace: str) -> tuple[Right, ...]:
    """What is needed besides to make the topics."""
    return tuple(Right("Create", "topic", name) for name in Topics(namespace))


def client_rights(namespace: str) -> tuple[Right, ...]:
    """What a program needs that starts runs, awaits their ends and reads their histories."""
    topics = Topics(namespace)
    return (
        Right("Write", "topic", topics.commands),
        Right("Read", "topic", topics.replies),
        Right("Read", "topic", topics.completions),
        Right("Read", "topic", topics.history),
    )
