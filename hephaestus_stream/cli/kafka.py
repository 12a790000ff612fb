"""`hephaestus kafka up`, `down` and `status`."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.local import FOLDER
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.local_kafka import LocalKafka, LocalKafkaStatus

Folder = Annotated[Path, Parameter(help="Where it keeps everything.")]


def up(*, port: int | None = None, folder: Folder = FOLDER, output: Output = "text") -> None:
    """Starts the local Kafka.

    Args:
        port: The port to listen on; the one of the last start, or a free one, unless given.
    """
    with Console(stderr=True).status("Kafka") as status:
        running = LocalKafka(folder, port=port, on_progress=lambda stage: status.update(f"Kafka: {stage}")).up()
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
    state = ("running", "green") if running.ready else ("running, but does not answer yet", "yellow")
    text = Text.assemble(
        ("Kafka ", "bold"), (running.version, "bold"), " is ", state, " on ", (running.bootstrap, "cyan"), "\n"
    )
    text.append(f"  process {running.pid}, since {running.started_at.astimezone():%Y-%m-%d %H:%M:%S}\n", "dim")
    text.append(f"  log {folder / running.log.name}\n", "dim")
    if folder == FOLDER:
        return text.append("Commands in this folder find it by themselves; elsewhere give them ").append(
            f"--bootstrap {running.bootstrap}", "cyan"
        )
    return text.append("Reach it with ").append(f"--bootstrap {running.bootstrap}", "cyan")


def _document(running: LocalKafkaStatus) -> dict[str, object]:
    return {
        "running": True,
        "ready": running.ready,
        "bootstrap": running.bootstrap,
        "port": running.port,
        "pid": running.pid,
        "version": running.version,
        "cluster_id": running.cluster_id,
        "started_at": running.started_at.isoformat(),
        "folder": str(running.folder),
        "log": str(running.log),
    }
