"""What a shard has committed, as those see it who only read."""

from __future__ import annotations

from typing import Protocol


class Committed(Protocol):
    """What a shard has committed: a sorted map of bytes."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        ...

    def scan(
        self, prefix: bytes, *, start: bytes | None = None, end: bytes | None = None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Entries whose keys have the prefix, from `start` on and below `end`.

        They come in the order of their keys, or against it where `reverse` is set.
        """
        ...


def end_of(prefix: bytes) -> bytes | None:
    """The first key behind all that have the prefix; None when there is none."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes([head[-1] + 1]) if head else None
