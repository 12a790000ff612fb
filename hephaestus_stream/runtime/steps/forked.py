"""Copies of a process that a step has forked: they end where the step's code ends, and never go on as the worker."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def original_only() -> Generator[None]:
    """A block that calls a step: who leaves it, however, is the process that entered it."""
    original = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != original:
            os._exit(0)  # runs no handlers and flushes nothing: all that is the original's
