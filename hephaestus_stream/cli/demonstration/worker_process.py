"""The demo's worker: `hephaestus worker workflows` as a process, which never outlives the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hephaestus_stream.errors import HephaestusError
from hephaestus_stream.wire.connection import Connection

_STOP_SECONDS: Final = 10
_LINES_OF_LOG: Final = 8


class WorkerEndedError(HephaestusError):
    """The demo's worker ended before the demo did."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker that runs beside this process."""

    process: subprocess.Popen[bytes]
    log: Path

    def require_alive(self) -> None:
        """Returns while the worker lives.

        Raises:
            WorkerEndedError: It has ended; the message has the end of its log.
        """
        code = self.process.poll()
        if code is not None:
            end = "\n".join(self.log.read_text(errors="replace").splitlines()[-_LINES_OF_LOG:])
            raise WorkerEndedError(f"the worker ended with code {code}. The end of its log:\n{end}")


@contextmanager
def worker_process(examples: Path, connection: Connection, folder: Path) -> Generator[WorkerProcess]:
    """A worker of the example workflows for the length of a block.

    When the block is left by an exception, Ctrl-C among them, the worker is killed; else it stops in order. When this
    process ends without leaving the block, its end of the pipe closes, and the worker ends by itself.

    Args:
        examples: The folder in which the package `workflows` lies.
        connection: Where the worker works.
        folder: For its databases and its log.
    """
    log = folder / "worker.log"
    command = [sys.executable, "-m", "hephaestus_stream.cli", "worker", "workflows", "--ends-with-input"]
    command += [
        "--bootstrap",
        connection.bootstrap,
        "--namespace",
        connection.namespace,
        "--data",
        str(folder / "data"),
    ]
    with log.open("wb") as lines:
        # A session of its own: Ctrl-C is for this process, which then ends the worker.
        process = subprocess.Popen(  # noqa: S603  # our own module
            command, cwd=examples, env=_environment(), stdin=subprocess.PIPE, stderr=lines, stdout=lines,
            start_new_session=True,
        )  # fmt: skip
    with process:
        try:
            yield WorkerProcess(process, log)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    """Without the user's own settings: the demo shall run the same everywhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEPHAESTUS_")}
