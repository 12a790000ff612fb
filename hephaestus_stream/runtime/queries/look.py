"""A look at what a shard has committed: it ends when nobody waits for it, when it lasts too long, or with the shard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.errors import StoppedError
from hephaestus_stream.runtime.changelog.store import Store

ResultT = TypeVar("ResultT")


class LookTooLongError(Exception):
    """There is too much to look at."""


class Look:
    """Implements `Committed`: what is committed, for one question; each read of it may end the look.

    Args:
        store: Where it is.
        seconds: How long the look may take; its wait for a thread counts.
    """

    def __init__(self, store: Store, *, seconds: float) -> None:
        self._store = store
        self._until = time.monotonic() + seconds
        self._is_awaited = True

    def take(self, look: Callable[[Committed], ResultT]) -> ResultT:
        """The result of the look, for which the store is kept open.

        Raises:
            StoppedError: The store is closed, or nobody waits any more.
            LookTooLongError: It would take too long.
        """
        with self._store.reading():
            return look(self)

    def abandon(self) -> None:
        """Ends the look at its next read; for another thread than that which looks."""
        self._is_awaited = False

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        self._go_on()
        return self._store.get(key)

    def scan(
        self, prefix: bytes, *, start: bytes | None = None, end: bytes | None = None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Entries whose keys have the prefix, in their order."""
        self._go_on()
        return self._store.scan(prefix, start=start, end=end, limit=limit, reverse=reverse)

    def _go_on(self) -> None:
        if self._store.is_closed or not self._is_awaited:
            raise StoppedError("the store closes, or nobody waits for what is read")
        if time.monotonic() > self._until:
            raise LookTooLongError
