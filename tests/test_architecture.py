"""The architecture is what CONTRIBUTING says: the contracts stand in pyproject.toml, under tool.importlinter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parity(2)
def test_imports_run_downward_without_circles_and_the_core_knows_no_io() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(ROOT / "pyproject.toml")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout


def test_the_client_needs_neither_faust_nor_rocksdb() -> None:
    code = "import sys, hephaestus_stream.client; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "confluent_kafka" in found.stdout.split()
    assert not {"faust", "mode", "aiokafka", "rocksdict", "jgo"} & set(found.stdout.split())


def test_no_thread_is_the_first_to_look_into_a_struct() -> None:
    """Two that did at once have ended a worker by a segmentation fault: msgspec shows a type before it is made."""
    lines = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in (ROOT / "hephaestus_stream").rglob("*.py")
        for line in file.read_text().splitlines()
        if re.search(r"msgspec\.(json|msgpack)\.decode\(.*type=(?!dict\[)", line)
    ]
    assert lines == []
