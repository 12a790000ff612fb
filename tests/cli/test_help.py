"""What `--help` teaches, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command_line import COMMAND, PROJECT, CommandLine, environment

COMMANDS = ("demo", "dev", "worker", "start", "resume", "cancel", "check", "graph", "docs", "topics", "kafka")
LOOK_AT_IMPORTS = """
import sys
from hephaestus_stream.cli import main

sys.argv = ["hephaestus", "--help"]
try:
    main()
finally:
    print(*sys.modules, sep=chr(10), file=sys.stderr)
"""


def test_the_help_lists_all_commands_and_says_what_each_exit_code_means(hephaestus: CommandLine) -> None:
    said = hephaestus("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert f" {command} " in said.out
    assert "3 refused by the engine" in " ".join(said.out.split())


@pytest.mark.parametrize(
    "command",
    [
        "dev",
        "worker",
        "start",
        "resume",
        "cancel",
        "check",
        "graph",
        "docs",
        "topics create",
        "topics check",
        "kafka up",
    ],
)
def test_the_help_of_a_command_shows_how_it_is_typed(hephaestus: CommandLine, command: str) -> None:
    said = hephaestus(*command.split(), "--help")
    assert said.code == 0
    examples = [line for line in said.out.splitlines() if line.strip().startswith(f"hephaestus {command} ")]
    assert examples


def test_options_stand_among_options_and_the_exit_codes_at_the_top_alone(hephaestus: CommandLine) -> None:
    start, dlq = hephaestus("start", "--help").out, hephaestus("dlq", "--help").out
    assert start.index(" Options ") < start.index("--input -i") < start.index(" General ")
    assert dlq.index(" Commands ") < dlq.index(" replay ") < dlq.index(" General ")
    for said in (start, dlq):
        assert "3 refused" not in said
        assert "hephaestus --help says what the exit codes mean." in said


def test_the_options_of_a_worker_show_what_holds_unless_they_are_set(hephaestus: CommandLine) -> None:
    said = " ".join(hephaestus("worker", "--help").out.replace("│", " ").split())
    for option in ("Async steps at once. Unless set: 1000.", "Blocking steps at once. Unless set: 32.",
                   "Unless set: .hephaestus.", "for a quick takeover. Unless set: 1."):  # fmt: skip
        assert option in said


def test_the_help_imports_no_command_and_so_is_fast() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOOK_AT_IMPORTS],
        cwd=PROJECT, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = set(ended.stderr.split())
    assert "hephaestus_stream.cli.app" in imported
    assert not imported & {"faust", "confluent_kafka", "rocksdict", "pydantic_settings", "hephaestus_stream.cli.demo"}


def test_a_misspelt_command_is_usage_and_names_the_nearest(hephaestus: CommandLine) -> None:
    said = hephaestus("strat")
    assert said.code == 2
    assert 'Did you mean "start"?' in said.err
    assert len(said.err.splitlines()) == 1


def test_an_unknown_option_is_usage(hephaestus: CommandLine) -> None:
    said = hephaestus("check", "flows", "--colour")
    assert said.code == 2
    assert "--colour" in said.err


def test_completion_is_installed_for_the_shell(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, "--install-completion"],
        cwd=PROJECT, env={**environment(), "HOME": str(tmp_path), "SHELL": "/bin/bash"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0
    script = next(path for path in tmp_path.rglob("hephaestus") if path.is_file()).read_text()
    for word in (*COMMANDS, "--on-conflict", "terminate_existing"):
        assert word in script
