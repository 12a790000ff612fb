"""Shows how far the reading of a long topic has come."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def reading() -> Generator[Callable[[int], None]]:
    """Shows, while it lasts, how many letters were read; only a terminal gets to see it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("reading the dead letters") as status:
        yield lambda read: status.update(f"reading the dead letters: {read:,}")
