"""A real worker as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from weakref import finalize

from hephaestus_stream.wire.connection import Connection

_ROOT: Final = Path(__file__).parents[2]
_READY: Final = re.compile(rb"owns the partitions ([0-9, ]+)\n")
_PATIENCE_SECONDS: Final = 45
NO_SWITCHES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Terms:
    """What all workers of a namespace share.

    Attributes:
        connection: Cluster and namespace.
        partitions: How many there are.
        replication: How many brokers have each record.
        session_seconds: When a silent worker's partitions go to others.
        grace_seconds: What running steps get when a worker stops.
        environment: Further variables of the processes.
    """

    connection: Connection
    partitions: int = 4
    replication: int = 1
    session_seconds: int = 6
    grace_seconds: int = 3
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def variables(self, data: Path) -> dict[str, str]:
        """The environment of a worker with this folder."""
        return {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "HEPHAESTUS_BOOTSTRAP": self.connection.bootstrap,
            "HEPHAESTUS_NAMESPACE": self.connection.namespace,
            "HEPHAESTUS_PARTITIONS": str(self.partitions),
            "HEPHAESTUS_REPLICATION_FACTOR": str(self.replication),
            "HEPHAESTUS_SESSION_TIMEOUT": str(self.session_seconds),
            "HEPHAESTUS_GRACE": str(self.grace_seconds),
            "HEPHAESTUS_DATA": str(data),
            "HEPHAESTUS_HTTP": "off",
            **self.environment,
        }


class WorkerProcess:
    """`hephaestus worker`, or another module that runs a worker in its way.

    Args:
        terms: What it shares with the others.
        data: Its folder.
        arguments: The module to run, and its arguments.
        switches: Variables for this process alone.
    """

    def __init__(
        self, terms: Terms, *, data: Path, arguments: Sequence[str], switches: Mapping[str, str] = NO_SWITCHES
    ) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.log = data / f"log-{time.monotonic_ns()}"
        # Open as long as this object lives: a worker that ends with its standard input ends with this process.
        reading, writing = os.pipe()
        finalize(self, os.close, writing)
        with self.log.open("wb") as log, os.fdopen(reading) as until:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**terms.variables(data), **switches},
                cwd=data,
                stdin=until,
                start_new_session=True,  # Ctrl-C is for the harness, which then stops its workers
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def partitions(self) -> set[int]:
        """What it owned when it last told."""
        told = _READY.findall(self.log.read_bytes())
        return {int(partition) for partition in told[-1].split(b",")} if told else set()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def has_settled(self) -> bool:
        """Whether it owns partitions, or has ended."""
        return bool(self.partitions) or not self.is_running

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """As an operator's `kill -9`, or a lost machine."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(_PATIENCE_SECONDS)

    def stop(self) -> int:
        """In order; returns the exit code."""
        self.process.terminate()
        return self.ended()

    def ended(self) -> int:
        """Waits for its end; returns the exit code."""
        return self.process.wait(_PATIENCE_SECONDS)

    def told(self) -> str:
        return self.log.read_text(errors="replace")
