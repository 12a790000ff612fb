"""`hephaestus worker --restart`: a small process that starts its worker again, where no systemd or Kubernetes does it.

The worker is a process of its own, so that nothing that happens to it, a `kill -9` included, happens to its supervisor.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import FrameType
from typing import Final

from hephaestus_stream.cli.failure import ExitCode

_logger: Final = logging.getLogger(__name__)

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=60)

_SIGNALLED: Final = 128
# Everything else a restart may mend: a step can end its process with whatever code it likes.
_FOR_GOOD: Final = frozenset(
    {
        0,
        ExitCode.FAILED,
        ExitCode.USAGE,
        _SIGNALLED + signal.SIGINT,
        _SIGNALLED + signal.SIGTERM,
    }
)


class Backoff:
    """How long to wait before a start: twice as long each time, and spread, so that a fleet does not start at once.

    Args:
        chance: Draws a random number in [0, 1).
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._failures = 0

    def after(self, lived: timedelta) -> timedelta:
        """The delay after a worker that lived so long; one that outlived the longest delay was well at first."""
        if lived > LONGEST:
            self._failures = 0
        delay = min(FIRST * (1 << min(self._failures, 10)), LONGEST)
        self._failures += 1
        return delay * (1 + self._chance()) / 2


class Supervisor:
    """Runs one command, and again after each end that a restart may mend.

    Args:
        command: The worker. It must end with its standard input, so that it never outlives this process.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._backoff = Backoff()
        self._stop_signal: signal.Signals | None = None
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Returns the code to exit with, once the worker has stopped, or failed in a way that a restart cannot mend.

        SIGINT and SIGTERM are passed on, and waited for; a second one kills the worker.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        while True:
            began = time.monotonic()
            code = self._live()
            if self._stopping.is_set() or code in _FOR_GOOD:
                return code if code >= 0 else _SIGNALLED - code
            delay = self._backoff.after(timedelta(seconds=time.monotonic() - began))
            _logger.warning("the worker %s; it is started again in %.1f s", _end(code), delay.total_seconds())
            if self._stopping.wait(delay.total_seconds()):
                return 0

    def _live(self) -> int:
        # A session of its own: Ctrl-C is for this process, which passes it on once.
        with subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True) as child:  # noqa: S603 - our own module
            self._child = child
            _logger.info("the worker is process %d", child.pid)
            if self._stop_signal is not None:
                child.send_signal(self._stop_signal)
            code = child.wait()
            self._child = None
            return code

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        child = self._child
        if self._stopping.is_set():
            if child is not None:
                child.kill()
            os._exit(_SIGNALLED + number)
        _logger.info("%s is passed on to the worker; once more kills it", signal.Signals(number).name)
        self._stop_signal = signal.Signals(number)
        self._stopping.set()
        if child is not None:
            child.send_signal(number)


def supervise(arguments: Sequence[str]) -> int:
    """Runs this very command, but for `--restart`, as a child; returns the code to exit with."""
    again = [argument for argument in arguments if argument.partition("=")[0] != "--restart"]
    return Supervisor([sys.executable, "-m", "hephaestus_stream.cli", *again, "--ends-with-input"]).run()


def _end(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
