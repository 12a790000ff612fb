"""A real worker that serves HTTP, for the length of a block."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from hephaestus_stream.wire.connection import Connection
from tests.cli.command_line import FLOWS, CommandLine

_READY_WITHIN_SECONDS = 90


@dataclass(frozen=True)
class Served:
    """A worker of `FLOWS`.

    Attributes:
        url: Where it answers.
        connection: Its cluster and namespace.
        hephaestus: The command line beside it.
        http: A client of it.
        process: Its process.
        workflow: Which one `tell` means.
    """

    url: str
    connection: Connection
    hephaestus: CommandLine
    http: httpx.Client
    process: int
    workflow: str = "GreetingFlow"

    def read(self, path: str, **parameters: str | int | list[str]) -> httpx.Response:
        return self.http.get(path, params=parameters)

    def tell(self, key: str, command: str, *, id: str | None = None, **body: object) -> httpx.Response:  # noqa: A002 - the wire's own word
        headers = {} if id is None else {"Idempotency-Key": id}
        document = {"workflow": self.workflow, **body}
        return self.http.post(f"/instances/{key}/{command}", json=document, headers=headers)


@contextmanager
def served(
    connection: Connection, folder: Path, *options: str, partitions: int = 2, flows: str = FLOWS
) -> Generator[Served]:
    """Starts a worker with a folder of its own, and waits until it is ready."""
    folder.mkdir(exist_ok=True)
    (folder / "flows.py").write_text(flows)
    (folder / "hephaestus.toml").write_text(f"replication_factor = 1\npartitions = {partitions}\n")
    hephaestus, log = CommandLine(folder), folder / "log"
    reach = ("-b", connection.bootstrap, "-n", connection.namespace)
    with hephaestus.running("worker", "flows", *reach, "--http", "127.0.0.1:0", *options, log=log) as process:
        url = ready_url(log)
        with httpx.Client(base_url=url, timeout=40, trust_env=False) as http:
            yield Served(url, connection, hephaestus, http, process.pid)


def ready_url(log: Path) -> str:
    """Where a worker serves HTTP, when it is ready."""
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while True:
        assert time.monotonic() < deadline, log.read_text()[-3_000:]
        address = re.search(r"health is told at (http://[^/]+)/", log.read_text())
        if address is not None and _is_ready(address[1]):
            return address[1]
        time.sleep(0.1)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False
