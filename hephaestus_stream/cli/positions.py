"""`hephaestus positions reset`."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.errors import UsageError
from hephaestus_stream.runtime.reset import reset_positions


def reset(
    *,
    accept_loss: bool = False,
    partition: tuple[int, ...] = (),
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Sets the positions of closed partitions anew.

    Args:
        accept_loss: Commands between the old position and the new one are lost, or applied again.
        partition: Which; all that are closed unless given. May be repeated.
    """
    if not accept_loss:
        raise UsageError(
            "a new position loses commands, or applies some again: add --accept-loss when that is acceptable"
        )
    settings = kafka.settings()
    require_broker(settings)
    resets = reset_positions(settings.connection, partitions=partition)
    lines = [
        Text(f"partition {each.partition}: {'no position' if each.before is None else each.before} -> {each.after}")
        for each in resets
    ]
    text = Text("\n").join(lines) if lines else Text("every position fits its topic; nothing was changed")
    show(text, document={"reset": [asdict(each) for each in resets]}, output=output)
