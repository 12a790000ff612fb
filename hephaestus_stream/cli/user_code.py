"""Tells of an error in the user's own code: their lines, without those of Python and of libraries."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

import hephaestus_stream

_LIBRARIES = tuple(
    Path(path).resolve()
    for path in {
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(hephaestus_stream.__file__).parent),
    }
)


def story_of(error: BaseException, *, doing: str) -> str:
    """What failed, the user's lines that led there, and the error itself."""
    lines = [f"{doing} failed:"]
    for frame in user_frames(error):
        lines += [f"  {short_path(frame.filename)}:{frame.lineno} in {frame.name}", f"    {frame.line}"]
    if isinstance(error, SyntaxError) and error.filename is not None:
        lines += [f"  {short_path(error.filename)}:{error.lineno}", f"    {(error.text or '').strip()}"]
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return "\n".join([*lines, f"{type(error).__name__}: {reason}"])


def place_of(error: BaseException) -> tuple[str, int]:
    """The file and line of the user's code that an error came from; an empty file where there is none."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return error.filename, error.lineno or 0
    frames = user_frames(error)
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)


def user_frames(error: BaseException) -> Sequence[traceback.FrameSummary]:
    """The frames of an error's traceback that lie in the user's code, the innermost last."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]


def short_path(file: str) -> str:
    """A path from the current folder where it lies in it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _is_users(file: str) -> bool:
    path = Path(file)
    return path.is_absolute() and not any(path.resolve().is_relative_to(library) for library in _LIBRARIES)
