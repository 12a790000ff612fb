"""Where a thread is in a step's code."""

from __future__ import annotations

import sys
import traceback
from typing import Final

from hephaestus_stream.cycle import execute

_CALLS_STEPS: Final = execute.__file__


def where_thread_is(thread: int | None) -> str:
    """The stack of a thread, from the step's own code inwards, as a traceback shows it; empty if it has ended."""
    frame = None if thread is None else sys._current_frames().get(thread)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented, for this use
    if frame is None:
        return ""
    stack = traceback.extract_stack(frame)
    last = max((place for place, entry in enumerate(stack) if entry.filename == _CALLS_STEPS), default=-1)
    return "".join(traceback.format_list(stack[last + 1 :])).rstrip()
