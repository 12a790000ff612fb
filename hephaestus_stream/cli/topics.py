"""`hephaestus topics create` and `check`."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from rich.text import Text

from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.output import Output, counted, show
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.runtime.topics import check_topics, create_topics


def create(
    *,
    partitions: int | None = None,
    replication_factor: int | None = None,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Creates the topics of a namespace.

    Args:
        partitions: How many each topic has; fixed for the namespace's life.
        replication_factor: How many brokers hold each; -1 is the broker's own default.
    """
    settings = kafka.settings(partitions=partitions, replication_factor=replication_factor)
    require_broker(settings)
    created = create_topics(
        settings.connection, partitions=settings.partitions, replication_factor=settings.replication_factor
    )
    lines = [Text.assemble(("created ", "green"), name) for name in created]
    text = Text("\n").join(lines) if lines else Text(f"all topics of the namespace '{settings.namespace}' exist")
    show(text, document={"created": created}, output=output)


def check(*, partitions: int | None = None, output: Output = "text", kafka: KafkaOptions = KAFKA_DEFAULTS) -> None:
    """Checks the topics of a namespace.

    Args:
        partitions: How many each topic must have; as many as `state` has unless given.
    """
    settings = kafka.settings(partitions=partitions)
    require_broker(settings)
    found = check_topics(settings.connection, partitions=settings.partitions)
    text = Text.assemble(
        ("✓ ", "green"),
        f"the topics of the namespace '{settings.namespace}' are as the engine needs them: ",
        f"{counted(found, 'partition')} each",
    )
    show(text, document={"namespace": settings.namespace, "partitions": found}, output=output)
