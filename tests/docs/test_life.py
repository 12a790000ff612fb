"""The commands in README and docs/http.md are run as they are written there, against a real worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hephaestus_stream.wire.connection import Connection
from tests.cli.command_line import PROJECT, CommandLine
from tests.docs.pages import blocks, page, section
from tests.web.served import ready_url

LIFE = section(page("README.md"), "## The life of an instance")
ADDRESS = "localhost:7430"


@dataclass(frozen=True)
class Shell:
    """A shell in a folder, whose settings lead to a worker.

    Attributes:
        url: Where the worker serves HTTP; it may have found the usual address taken.
    """

    folder: Path
    connection: Connection
    url: str

    def run(self, *command: str) -> str:
        """What a command prints; it must end well, and so must each request of it."""
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=100
        )
        assert ended.returncode == 0, (command, ended.stdout[-2_000:], ended.stderr[-2_000:])
        return ended.stdout

    def script(self, text: str) -> str:
        return self.run("bash", "-e", "-c", text.replace(ADDRESS, self.url.removeprefix("http://")))

    @property
    def environment(self) -> dict[str, str]:
        (self.folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nnoproxy = *\n")
        own = {name: value for name, value in os.environ.items() if not name.startswith("HEPHAESTUS_")}
        return {
            **own,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "CURL_HOME": str(self.folder),
            "HEPHAESTUS_BOOTSTRAP": self.connection.bootstrap,
            "HEPHAESTUS_NAMESPACE": self.connection.namespace,
            "HEPHAESTUS_API": self.url,
        }


@pytest.fixture(scope="module")
def shell(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Shell]:
    connection, folder = Connection(kafka_bootstrap, f"test-{uuid.uuid4().hex[:12]}"), tmp_path_factory.mktemp("life")
    (folder / "hephaestus.toml").write_text("replication_factor = 1\npartitions = 3\n")
    log = folder / "log"
    # In place of `hephaestus dev`, whose Kafka would be one of its own; the address is that of nobody's setting.
    hephaestus = CommandLine(folder, without=("HEPHAESTUS_HTTP",))
    with hephaestus.running("worker", "workflows", "-b", connection.bootstrap, "-n", connection.namespace, log=log):
        yield Shell(folder, connection, ready_url(log))


def test_an_instance_lives_on_the_command_line_as_the_readme_says(shell: Shell) -> None:
    line, _ = blocks(LIFE, "sh")
    told = shell.script(line.text)
    assert told.splitlines()[0].startswith("✓ orderid::ada-1 started")
    assert "completed done" in told
    assert "continued" in told


def test_an_instance_lives_over_http_as_the_readme_says(shell: Shell) -> None:
    _, http = blocks(LIFE, "sh")
    told = shell.script(http.text)
    assert told.count('"accepted":true') == 4
    shell.run("hephaestus", "history", "OrderFlow", "orderid::ada-2", "--follow")
    end = json.loads(shell.script(f"curl {ADDRESS}/instances/orderid%3A%3Aada-2"))
    assert (end["status"], end["ended_at"]) == ("completed", "done")


@pytest.mark.parametrize("via", ["kafka", "http"])
def test_an_instance_lives_in_python_as_the_readme_says(shell: Shell, via: str) -> None:
    [block] = blocks(LIFE, "python")
    script = block.text.replace("ada-3", f"ada-{via}").replace("Client()", f"Client(via={via!r})")
    told = shell.run(sys.executable, "-c", script).splitlines()
    assert told[0].startswith("waiting [") or told[0].startswith("running [")
    assert any(line.endswith("completed done") for line in told)
    assert told[-2].startswith(f"orderid::ada-{via}/")
    assert "InstanceCount" in told[-1]


def test_the_requests_of_the_page_about_http_are_answered(shell: Shell) -> None:
    told = [shell.script(block.text) for block in blocks(page("docs/http.md"), "sh")]
    assert len(told) == 2
    assert "orderid::abc123" in told[1]
