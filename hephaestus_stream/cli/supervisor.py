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
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from hephaestus_stream.cli.failure import SIGNALLED, ExitCode
from hephaestus_stream.cli.signals import Signals

_logger: Final = logging.getLogger(__name__)

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=60)


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
        self._is_stopping = False

    def run(self) -> int:
        """Returns the code to exit with, once the worker has stopped, or failed in a way that a restart cannot mend.

        SIGINT and SIGTERM are passed on, and waited for; a second one kills the worker.
        """
        with Signals(signal.SIGINT, signal.SIGTERM, signal.SIGCHLD) as signals:
            while True:
                began = time.monotonic()
                code = self._live(signals)
                # Nothing else ends it: a step can end its process with whatever code it likes.
                if self._is_stopping or code == ExitCode.NO_RESTART:
                    return code if code >= 0 else SIGNALLED - code
                delay = self._backoff.after(timedelta(seconds=time.monotonic() - began)).total_seconds()
                _logger.warning("the worker %s; it is started again in %.1f s", _end(code), delay)
                if self._is_stopped_within(delay, signals):
                    return 0

    def _live(self, signals: Signals) -> int:
        # A session of its own: Ctrl-C is for this process, which passes it on once.
        with subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True) as child:  # noqa: S603 - our own module
            _logger.info("the worker is process %d", child.pid)
            while (code := child.poll()) is None:
                for number in signals.wait():
                    if number != signal.SIGCHLD:
                        self._pass_on(number, child)
            return code

    def _pass_on(self, number: signal.Signals, child: subprocess.Popen[bytes]) -> None:
        if self._is_stopping:
            child.kill()
            os._exit(SIGNALLED + number)
        _logger.info("%s is passed on to the worker; once more kills it", number.name)
        self._is_stopping = True
        child.send_signal(number)

    def _is_stopped_within(self, seconds: float, signals: Signals) -> bool:
        """Waits between two workers; there is nobody to pass a signal on to."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if any(number != signal.SIGCHLD for number in signals.wait(left)):
                return True
        return False


def supervise(arguments: Sequence[str]) -> int:
    """Runs this very command, but for `--restart`, as a child; returns the code to exit with."""
    again = [argument for argument in arguments if argument.partition("=")[0] != "--restart"]
    return Supervisor([sys.executable, "-m", "hephaestus_stream.cli", *again, "--ends-with-input"]).run()


def _end(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
