"""`hephaestus kafka up`, `down` and `status`."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.text import Text

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.local import FOLDER
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.local_kafka import BrokerStatus, LocalKafka, LocalKafkaStatus

Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65_535))]
Folder = Annotated[Path, Parameter(help="Where it keeps everything.")]


def up(
    *, brokers: int | None = None, port: Port | None = None, folder: Folder = FOLDER, output: Output = "text"
) -> None:
    """Starts the local Kafka.

    Args:
        brokers: How many; 1 for a new folder unless given. Three keep three copies of everything.
        port: The port that the first one listens on; that of the last start, or a free one, unless given.
    """
    with Console(stderr=True).status("Kafka") as status:
        kafka = LocalKafka(
            folder, brokers=brokers, port=port, on_progress=lambda stage: status.update(f"Kafka: {stage}")
        )
        running = kafka.up()
    show(_story(running, folder), document=_document(running), output=output)


def down(*, folder: Folder = FOLDER, output: Output = "text") -> None:
    """Stops the local Kafka."""
    with Console(stderr=True).status("stopping Kafka"):
        stopped = LocalKafka(folder).down()
    text = "stopped; its data stays in" if stopped else "no Kafka runs in"
    show(Text(f"{text} {folder}"), document={"stopped": stopped}, output=output)


def status(*, folder: Folder = FOLDER, output: Output = "text") -> int:
    """Tells whether the local Kafka runs."""
    running = LocalKafka(folder).status()
    if running is None:
        text = Text.assemble("no Kafka runs in ", str(folder), "; start it with ", ("hephaestus kafka up", "cyan"))
        show(text, document={"running": False}, output=output)
        return ExitCode.FAILED
    show(_story(running, folder), document=_document(running), output=output)
    return 0


def _story(running: LocalKafkaStatus, folder: Path) -> Text:
    text = Text.assemble(("Kafka ", "bold"), (running.version, "bold"))
    if len(running.brokers) == 1:
        text.append(" is ").append_text(_state(running.brokers[0])).append(" on ").append(
            f"{running.bootstrap}\n", "cyan"
        )
    else:
        up = sum(broker.running for broker in running.brokers)
        text.append(f": {up} of {len(running.brokers)} brokers run\n")
    for broker in running.brokers:
        text.append_text(_line(broker, folder, alone=len(running.brokers) == 1))
    if folder == FOLDER:
        return text.append("Commands in this folder find it by themselves; elsewhere give them ").append(
            f"--bootstrap {running.bootstrap}", "cyan"
        )
    return text.append("Reach it with ").append(f"--bootstrap {running.bootstrap}", "cyan")


def _line(broker: BrokerStatus, folder: Path, *, alone: bool) -> Text:
    text = Text()
    if not alone:
        text.append(f"broker {broker.node_id} is ").append_text(_state(broker)).append(" on ")
        text.append(f"{broker.address}\n", "cyan")
    if broker.running:
        text.append(f"  process {broker.pid}, since {broker.started_at.astimezone():%Y-%m-%d %H:%M:%S}\n", "dim")
    return text.append(f"  log {folder / broker.log.relative_to(folder.absolute())}\n", "dim")


def _state(broker: BrokerStatus) -> Text:
    if not broker.running:
        return Text("not running", "red")
    return Text("running", "green") if broker.ready else Text("running, but does not answer yet", "yellow")


def _document(running: LocalKafkaStatus) -> dict[str, object]:
    return {
        "running": True,
        "ready": running.ready,
        "bootstrap": running.bootstrap,
        "version": running.version,
        "cluster_id": running.cluster_id,
        "folder": str(running.folder),
        "brokers": [
            asdict(broker) | {"started_at": broker.started_at.isoformat(), "log": str(broker.log)}
            for broker in running.brokers
        ],
    }
