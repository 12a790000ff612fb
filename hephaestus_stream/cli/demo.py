"""`hephaestus demo`: everything real, nothing left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

import hephaestus_stream
from hephaestus_stream.cli.demonstration.board import Board
from hephaestus_stream.cli.demonstration.play import play
from hephaestus_stream.cli.demonstration.scenes import LEAD, SCENES
from hephaestus_stream.cli.demonstration.view import document, history_table, live, runs_table
from hephaestus_stream.cli.demonstration.worker_process import WorkerProcess, worker_process
from hephaestus_stream.cli.modules import load_workflows
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.cli.stage import stage
from hephaestus_stream.drawing import text
from hephaestus_stream.errors import WorkflowNotFoundError
from hephaestus_stream.local_kafka import KAFKA_VERSION, temporary_kafka
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.wire.connection import Connection

_NAMESPACE: Final = "demo"
_PARTITIONS: Final = 4


def demo(*, output: Output = "text") -> None:
    """Shows what the engine does, on a Kafka of its own."""
    # Told to end, the demo ends as by Ctrl-C, and takes everything along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    examples = find_examples()
    sys.path.insert(0, str(examples))
    console = Console(highlight=False, markup=False, emoji=False, quiet=output == "json")
    with tempfile.TemporaryDirectory(prefix="hephaestus-demo-") as folder:
        board = _performance(console, examples, Path(folder))
    show(_story(board, console, examples), document=document(board), output=output)


def find_examples() -> Path:
    """The folder in which the package of the example workflows lies.

    Raises:
        WorkflowNotFoundError: The examples are not installed.
    """
    for folder in (Path(hephaestus_stream.__file__).parents[1], Path.cwd()):
        if (folder / "workflows" / "subscription.py").is_file():
            return folder
    raise WorkflowNotFoundError(
        "the example workflows are not here: an installed wheel does not have them. Get the source, which does "
        "(a clone of the repository, or `pip download --no-deps --no-binary :all: hephaestus-stream` and unpack it), "
        "and run `hephaestus demo` in its folder"
    )


def _performance(console: Console, examples: Path, folder: Path) -> Board:
    """Everything that needs processes; whatever ends it ends them."""
    with ExitStack() as processes:
        with stage(console, "Kafka") as current:
            bootstrap = processes.enter_context(temporary_kafka(current.update))
            current.outcome = f"a real Apache Kafka {KAFKA_VERSION} on {bootstrap}"
        with stage(console, "topics") as current:
            connection = Connection(bootstrap, _NAMESPACE)
            created = create_topics(connection, partitions=_PARTITIONS, replication_factor=1)
            current.outcome = f"{len(created)} topics with {_PARTITIONS} partitions each"
        worker = processes.enter_context(worker_process(examples, connection, folder))
        board = _play(console, connection, worker)
        with stage(console, "stopping the worker and Kafka") as current:
            processes.close()
            current.outcome = "worker and Kafka stopped"
    return board


def _play(console: Console, connection: Connection, worker: WorkerProcess) -> Board:
    with (
        stage(console, f"a worker with the example workflows starts (process {worker.process.pid})") as current,
        Live(console=console, refresh_per_second=10, transient=True) as view,
    ):

        def watch(board: Board) -> None:
            worker.require_alive()
            if board.events:
                current.spinner.update(f"{len(board.runs)} runs, {board.events} events")
                view.update(live(board))

        board = asyncio.run(play(SCENES, connection, partitions=_PARTITIONS, watch=watch))
        current.outcome = f"{len(board.runs)} runs with {board.events} events, by worker process {worker.process.pid}"
    return board


def _story(board: Board, console: Console, examples: Path) -> RenderableType:
    """What has happened: all runs, one of them event by event, and its way through the graph."""
    lead = board.runs[LEAD]
    definition = next(
        found.definition for found in load_workflows("workflows") if found.definition.name == lead.workflow
    )
    where = "" if examples == Path.cwd() else f"In {examples}: "
    return Group(
        Text(),
        runs_table(board),
        Text(),
        history_table(lead),
        Text(),
        Text(f"The path that {lead.key} took through {lead.workflow}\n", "bold"),
        text(definition, path=lead.path, width=console.width),
        Text.assemble(f"Yours now. {where}", ("hephaestus dev workflows", "cyan"), " runs the same until Ctrl-C."),
    )
