"""`hephaestus dev`: a local Kafka and a worker, for the time of a session."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import inspect
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Final

from rich.console import Console
from rich.text import Text

from hephaestus_stream.cli.local import FOLDER, told_here
from hephaestus_stream.cli.logs import set_up_logging
from hephaestus_stream.cli.modules import load_workflows
from hephaestus_stream.cli.options import WORKER_DEFAULTS, KafkaOptions, WorkerOptions
from hephaestus_stream.cli.sample import sample_input
from hephaestus_stream.cli.serve import nothing, serve
from hephaestus_stream.local_kafka import LocalKafka, LocalKafkaStatus
from hephaestus_stream.wire.request import AnyWorkflow

_logger: Final = logging.getLogger(__name__)

_SHOWN: Final = tuple(f"hephaestus {verb} " for verb in ("start", "resume", "get", "list", "replay"))


def dev(module: str, /, *modules: str, namespace: str | None = None, options: WorkerOptions = WORKER_DEFAULTS) -> None:
    """Runs the workflows of modules on a local Kafka.

    A Kafka that ran before keeps running; else it ends with the worker.

    Args:
        module: A module, or a package with all its modules, as Python imports it: `workflows`.
        modules: More of them.
        namespace: The prefix of all topics.
    """
    workflows = load_workflows(module, *modules)
    kafka = LocalKafka(FOLDER)
    ran_before = kafka.status() is not None
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with ExitStack() as cleanup:
        if not ran_before:
            cleanup.callback(_stop, kafka)
        asked = KafkaOptions(namespace=namespace).settings(**options.given())
        set_up_logging(asked.log_level, asked.log_format)
        broker = _started_kafka(console)
        settings = KafkaOptions(bootstrap=broker.bootstrap, namespace=namespace).settings(**options.given())
        serve(
            workflows,
            settings,
            on_http=cleanup.enter_context(told_here()),
            on_ready=lambda: console.print(invitation(workflows, broker.bootstrap)),
            on_hard_exit=nothing if ran_before else partial(kafka.down, patience=timedelta()),
        )


def _started_kafka(console: Console) -> LocalKafkaStatus:
    """Starts Kafka, the first time in a minute perhaps: with a spinner, or with lines where there is no terminal."""
    if not console.is_terminal:
        return LocalKafka(FOLDER, on_progress=partial(_logger.info, "Kafka: %s")).up()
    with console.status("Kafka") as status:
        return LocalKafka(FOLDER, on_progress=lambda stage: status.update(f"Kafka: {stage}")).up()


def _stop(kafka: LocalKafka) -> None:
    try:
        kafka.down()
    except KeyboardInterrupt:
        kafka.down(patience=timedelta())
        raise


def invitation(workflows: Sequence[AnyWorkflow], bootstrap: str) -> Text:
    """What to type into another terminal: the commands that the modules' docstrings show."""
    text = Text.assemble("\nKafka listens on ", (bootstrap, "cyan"), ". In another terminal, in this folder, try\n\n")
    for command in dict.fromkeys(_commands(workflows)):
        text.append(f"    {command}\n", "cyan")
    return text.append("\nCtrl-C ends it.\n")


def _commands(workflows: Sequence[AnyWorkflow]) -> Iterator[str]:
    for workflow in workflows:
        doc = inspect.getdoc(sys.modules[workflow.__module__]) or ""
        lines = [line.strip() for line in doc.splitlines()]
        shown = [line for line in lines if line.startswith(_SHOWN) and workflow.__module__ in line]
        yield from shown or [_start(workflow)]


def _start(workflow: AnyWorkflow) -> str:
    sample = shlex.quote(sample_input(workflow.definition.input_adapter))
    return f"hephaestus start {workflow.__module__}:{workflow.__name__} ID --input {sample}"
