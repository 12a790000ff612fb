"""Runs a worker in this process until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Final

from hephaestus_stream.cli.deadline import Deadline
from hephaestus_stream.cli.failure import SIGNALLED, ExitCode
from hephaestus_stream.errors import HephaestusError, WorkerCrashedError
from hephaestus_stream.runtime.facade import WorkerFacade
from hephaestus_stream.runtime.worker import run_worker
from hephaestus_stream.settings import OFF, Settings
from hephaestus_stream.wire.request import AnyWorkflow

_logger: Final = logging.getLogger(__name__)


def nothing() -> None:
    """What is to be done at a hard exit, where nothing is."""


def serve(
    workflows: Sequence[AnyWorkflow],
    settings: Settings,
    *,
    on_ready: Callable[[], object] = nothing,
    on_hard_exit: Callable[[], object] = nothing,
    on_http: Callable[[str], object] = lambda _: None,
    ends_with_input: bool = False,
) -> None:
    """Works until SIGINT or SIGTERM, then stops in order and returns; the second signal ends the process at once.

    Args:
        workflows: What the worker runs.
        settings: Where and how.
        on_ready: Called once, when the worker owns partitions for the first time.
        on_hard_exit: Called before the second signal, or a step that clings to the worker, ends the process at once.
        on_http: Told where HTTP is served, if it is.
        ends_with_input: End at once when standard input does, that is with the process that holds its other end.
    """
    # What the imports have made lives as long as this process: the collector need not look at it again and again.
    gc.freeze()
    # A thread that commits keeps the event loop, which all other keys go through, waiting no longer than this.
    sys.setswitchinterval(0.0005)
    if ends_with_input:
        threading.Thread(target=_exit_with_input, name="input", daemon=True).start()
    deadline = Deadline(on_hard_exit)
    try:
        asyncio.run(_serve(workflows, settings, on_ready, on_hard_exit, deadline, on_http=on_http))
    finally:
        deadline.cancel()


async def _serve(
    workflows: Sequence[AnyWorkflow],
    settings: Settings,
    on_ready: Callable[[], object],
    on_hard_exit: Callable[[], object],
    deadline: Deadline,
    *,
    on_http: Callable[[str], object],
) -> None:
    stop, facade = asyncio.Event(), WorkerFacade()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, partial(_stop, stop, number, on_hard_exit))
    names = ", ".join(f"{workflow.definition.name} {workflow.definition.version}" for workflow in workflows)
    _logger.info("worker of the namespace '%s' at %s with %s", settings.namespace, settings.bootstrap, names)
    try:
        async with _http(settings, facade):
            if facade.url is not None:
                on_http(facade.url)
            await run_worker(workflows, settings, stop=stop, on_ready=_Readiness(on_ready), facade=facade)
    except HephaestusError as failure:
        deadline.begin(failure)
        raise
    except Exception as error:
        crash = _crashed(error)
        deadline.begin(crash)
        raise crash from error
    _logger.info("stopped in order")
    deadline.begin(None)


def _http(settings: Settings, facade: WorkerFacade) -> AbstractAsyncContextManager[None]:
    if settings.http == OFF:
        return nullcontext()
    # Whoever serves nothing needs none of it.
    from hephaestus_stream.web.server import serving  # noqa: PLC0415 - as above

    return serving(settings, facade)


def _crashed(error: Exception) -> WorkerCrashedError:
    _logger.error("an error that nobody expected ends the worker", exc_info=error)
    return WorkerCrashedError(
        f"the worker ended by an unexpected {type(error).__name__}: {error}; the log has its traceback. A restart may "
        f"mend it, and loses nothing; if it comes again, please report it"
    )


def _stop(stop: asyncio.Event, number: signal.Signals, on_hard_exit: Callable[[], object]) -> None:
    if stop.is_set():
        on_hard_exit()
        # Threads and databases may be in the middle of anything; the next worker replays what was not committed.
        os._exit(SIGNALLED + number)
    _logger.info("%s: stopping in order; once more exits at once", number.name)
    stop.set()


def _exit_with_input() -> None:
    """In a thread of its own, since a step may block the event loop."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # Whoever started this worker is gone, its Kafka too perhaps: there is nobody to stop in order for.
    os._exit(ExitCode.RESTART)


class _Readiness:
    """Tells of each assignment in the log, and of the first one to whoever waits for it."""

    def __init__(self, on_first: Callable[[], object]) -> None:
        self._on_first: Callable[[], object] | None = on_first

    def __call__(self, partitions: Sequence[int]) -> None:
        _logger.info("ready; this worker owns the partitions %s", ", ".join(map(str, partitions)) or "none")
        if partitions and self._on_first is not None:
            self._on_first()
            self._on_first = None
