"""A worker that has ended exits soon, whatever still runs, and its last line stays the last."""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

from hephaestus_stream.cli.failure import code_of, exit_code_of
from hephaestus_stream.errors import HephaestusError

_logger: Final = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 2.0


class Deadline:
    """The event loop would wait for a step that ignores its end, and Python's own end for a thread that hangs."""

    def __init__(self) -> None:
        self._is_silent = False

    def begin(self, failure: HephaestusError | None) -> None:
        """The worker has ended, by a failure or in order."""
        watchdog = threading.Timer(_PATIENCE_SECONDS, self._exit, (failure,))
        watchdog.daemon = True
        watchdog.start()

    def keep_silent(self) -> None:
        """The event loop has ended; whoever called it tells of the failure, and nothing may follow that."""
        self._is_silent = True

    def _exit(self, failure: HephaestusError | None) -> None:
        if self._is_silent:
            os._exit(0 if failure is None else code_of(failure))
        _logger.error("a step does not let itself be cancelled; the worker exits without it")
        os._exit(0 if failure is None else exit_code_of(failure))
