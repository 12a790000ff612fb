"""File locks: one start at a time, and a broker's life that nobody can misread.

A process id says little, since systems use it again. So each broker inherits a locked file and holds the lock by its
mere existence: the kernel lets go of it when the broker ends, however it ends, and does so on Linux and macOS alike.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Generator[int]:
    """Holds the lock of a file, after waiting for it, and gives its file descriptor.

    A child process that inherits the descriptor keeps the lock beyond this block.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        # Closing, not unlocking: an unlock would take the lock from the child as well.
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of this file exclusively."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two that ask at the same moment do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
