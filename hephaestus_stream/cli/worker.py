"""`hephaestus worker`: the engine itself."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hephaestus_stream.cli.logs import set_up_logging
from hephaestus_stream.cli.modules import load_workflows
from hephaestus_stream.cli.options import KAFKA_DEFAULTS, WORKER_DEFAULTS, KafkaOptions, WorkerOptions
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.cli.serve import serve


def worker(
    module: str,
    /,
    *,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
    options: WorkerOptions = WORKER_DEFAULTS,
    ends_with_input: Annotated[bool, Parameter(show=False)] = False,
) -> None:
    """Runs a module's workflows.

    Args:
        module: A module, or a package with all its modules, as Python imports it: `workflows`.
        ends_with_input: For a process that starts a worker and must not leave it behind.
    """
    workflows = load_workflows(module)
    settings = kafka.settings(**options.given())
    require_broker(settings)
    set_up_logging(settings.log_level, settings.log_format)
    serve(workflows, settings, ends_with_input=ends_with_input)
