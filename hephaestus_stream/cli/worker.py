"""`hephaestus worker`: the engine itself."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from hephaestus_stream.cli.logs import set_up_logging
from hephaestus_stream.cli.modules import load_workflows
from hephaestus_stream.cli.options import KAFKA_DEFAULTS, WORKER_DEFAULTS, KafkaOptions, WorkerOptions
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.cli.supervisor import supervise


def worker(
    module: str,
    /,
    *modules: str,
    kafka: KafkaOptions = KAFKA_DEFAULTS,
    options: WorkerOptions = WORKER_DEFAULTS,
    restart: bool = False,
    ends_with_input: Annotated[bool, Parameter(show=False)] = False,
) -> int:
    """Runs the workflows of modules.

    Args:
        module: A module, or a package with all its modules, as Python imports it: `workflows`.
        modules: More of them.
        restart: Start the worker again when it ends by what a restart may mend, after 1 to 60 s.
        ends_with_input: For a process that starts a worker and must not leave it behind.
    """
    settings = kafka.settings(**options.given())
    set_up_logging(settings.log_level, settings.log_format)
    if restart:
        return supervise(sys.argv[1:])
    # A supervisor stays for long, and needs nothing of what a worker is made of: half of its memory.
    from hephaestus_stream.cli.serve import serve  # noqa: PLC0415 - as above

    workflows = load_workflows(module, *modules)
    require_broker(settings)
    serve(workflows, settings, ends_with_input=ends_with_input)
    return 0
