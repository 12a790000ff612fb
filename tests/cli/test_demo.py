"""`hephaestus demo`: everything real, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import COMMAND, PROJECT, environment

MARK = "MARK_OF_THE_DEMO_TEST"


@pytest.fixture
def demo_environment(tmp_path: Path) -> dict[str, str]:
    """Every process of the demo inherits the mark, and every temporary file lies in the test's folder."""
    (tmp_path / "temporary").mkdir()
    mark = {MARK: str(tmp_path)}
    return {**environment(), **mark, "TMPDIR": str(tmp_path / "temporary")}


def marked_processes(folder: Path) -> list[int]:
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                variables = (process / "environ").read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            if f"={folder}\0".encode() in variables:
                found.append(int(process.name))
    return found


@pytest.mark.timeout(180)
def test_the_demo_plays_twenty_runs_and_leaves_nothing(tmp_path: Path, demo_environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [*COMMAND, "demo", "--output", "json"],
        cwd=tmp_path, env=demo_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    summary = json.loads(ended.stdout)
    ends = {run["key"]: (run["status"], run["ended_at"]) for run in summary["runs"]}
    assert len(ends) == 20
    assert ends["orderid::ada"] == ("completed", "done")
    assert ends["orderid::eve"] == ("failed", "declined")
    assert ends["orderid::fay"] == ("completed", "rejected")
    assert ends["orderid::hal"][0] == "cancelled"
    assert ends["expense::desks"] == ("completed", "paid")
    assert ends["expense::rent"] == ("failed", "unanswered")
    assert ends["subscription::kim"] == ("completed", "expired")
    assert ends["permit::case-1"] == ("completed", "done")
    assert summary["statuses"] == {"completed": 17, "failed": 2, "cancelled": 1}
    assert marked_processes(tmp_path) == []
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_the_middle_leaves_nothing(
    tmp_path: Path,
    demo_environment: dict[str, str],
    number: signal.Signals,
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    log = tmp_path / "demo.log"
    with (
        log.open("wb") as lines,
        subprocess.Popen([*COMMAND, "demo"], cwd=tmp_path, env=demo_environment, stdout=lines, stderr=lines) as demo,
    ):
        # Kafka runs, and so does the worker.
        eventually(lambda: any("worker" in command_of(process) for process in marked_processes(tmp_path)))
        demo.send_signal(number)
        assert demo.wait(30) == 130
    assert log.read_text().splitlines()[-1] == "interrupted"
    eventually(lambda: marked_processes(tmp_path) == [])
    assert list((tmp_path / "temporary").iterdir()) == []


def command_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def test_without_the_examples_the_demo_says_how_to_get_them(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    # As an installed wheel has it: the package without the folder of the examples beside it.
    (site / "hephaestus_stream").symlink_to(PROJECT / "hephaestus_stream")
    ended = subprocess.run(
        [*COMMAND, "demo"],
        cwd=tmp_path, env={**environment(), "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "the example workflows are not here" in ended.stderr
    assert "run `hephaestus demo` in its folder" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
