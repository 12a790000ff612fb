"""The folder of one worker's databases: one process has it, and others are refused before they do anything."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hephaestus_stream.errors import DataFolderError
from hephaestus_stream.runtime.exhaustion import exhaustion_of

_WAY_OUT: Final = "with `--data`, HEPHAESTUS_DATA or the setting `data`"

_held: Final = set[int]()
"""Descriptors of locked files. A copy of the process that a step forks has them, too, and would keep the locks."""


def _let_go() -> None:
    for descriptor in _held:
        with suppress(OSError):  # the step has closed it
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def data_folder(folder: Path) -> Generator[None]:
    """Makes a folder, and has it alone for the length of a block.

    The kernel lets go of the lock when the process ends, however it ends, and whatever its steps have forked.

    Raises:
        DataFolderError: Another worker has it, or it cannot be written.
        OutOfResourcesError: The disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "worker.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise exhaustion_of(error) or DataFolderError(
            f"the data folder {folder} cannot be used ({error}): name another {_WAY_OUT}"
        ) from error
    _held.add(descriptor)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        if descriptor in _held:
            _held.remove(descriptor)
            os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 20).decode(errors="replace").strip()
        raise DataFolderError(
            f"another worker{f' (process {holder})' if holder else ''} uses the data folder {folder}: give each worker "
            f"a folder of its own {_WAY_OUT}"
        ) from error
    with suppress(OSError):  # a full disk: the number is for people only
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
