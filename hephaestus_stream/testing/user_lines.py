"""The lines of the user's own code in a recorded traceback."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MOST_LINES: Final = 15
_FRAME: Final = re.compile(r'^  File "(?P<file>.*)", line \d+', re.MULTILINE)
_BEGINNING: Final = "Traceback (most recent call last):\n"

_LIBRARIES: Final = tuple(
    Path(path).resolve()
    for path in {
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(__file__).parents[1]),
    }
)


def user_lines(traceback: str) -> list[str]:
    """The innermost frames of the error that was raised last, as Python writes them: without those of libraries."""
    shown: list[str] = []
    for frame in reversed(list(_frames(traceback.rpartition(_BEGINNING)[2]))):
        if shown and len(frame) + len(shown) > _MOST_LINES:
            break
        shown = [*frame[:_MOST_LINES], *shown]
    return shown


def _frames(text: str) -> Iterator[list[str]]:
    found = list(_FRAME.finditer(text))
    ends = (*(frame.start() for frame in found), len(text))[1:]
    for frame, end in zip(found, ends, strict=False):  # without a frame there is no end, either
        if not _is_library(frame["file"]):
            first, *rest = text[frame.start() : end].splitlines()
            # Behind the last frame the error itself stands, at the margin.
            yield [first, *(line for line in rest if line.startswith("    "))]


def _is_library(file: str) -> bool:
    return file.startswith("<") or any(Path(file).resolve().is_relative_to(library) for library in _LIBRARIES)
