"""A worker that has ended exits soon, whatever still runs, and its last line stays the last."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from hephaestus_stream.cli.failure import code_of_worker, exit_code_of
from hephaestus_stream.errors import HephaestusError

_logger: Final = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 2.0


class Deadline:
    """The event loop would wait for a step that ignores its end.

    Args:
        on_hard_exit: Called before the process ends without it.
    """

    def __init__(self, on_hard_exit: Callable[[], object]) -> None:
        self._on_hard_exit = on_hard_exit
        self._timer: threading.Timer | None = None

    def begin(self, failure: HephaestusError | None) -> None:
        """The worker has ended, by a failure or in order."""
        self._timer = threading.Timer(_PATIENCE_SECONDS, self._exit, (failure,))
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """The event loop has ended; what its caller has to clean up takes the time that it takes."""
        if self._timer is not None:
            self._timer.cancel()

    def _exit(self, failure: HephaestusError | None) -> None:
        _logger.error("a step does not let itself be cancelled; the worker exits without it")
        self._on_hard_exit()
        os._exit(0 if failure is None else code_of_worker(exit_code_of(failure)))


def exit_soon(code: int) -> None:
    """All is done and told: Python's own end would wait for the thread of a step that hangs."""
    timer = threading.Timer(_PATIENCE_SECONDS, os._exit, (code,))
    timer.daemon = True
    timer.start()
