"""A shard's committed state in memory, for the Simulator."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping

from hephaestus_stream.cycle.committed import end_of
from hephaestus_stream.cycle.index import derive


class MemoryStore:
    """A sorted map of bytes, with the same reading methods as the store on disk."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self._values.get(key)

    def scan(
        self, prefix: bytes, *, start: bytes | None = None, end: bytes | None = None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Entries whose keys have the prefix, from `start` on and below `end`."""
        first = bisect_left(self._keys, max(start or prefix, prefix))
        bounds = [bisect_left(self._keys, bound) for bound in (end, end_of(prefix)) if bound is not None]
        keys = self._keys[first : min(bounds, default=len(self._keys))]
        return [(key, self._values[key]) for key in (keys[::-1] if reverse else keys)[:limit]]

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Writes changes, and what derives from them."""
        for key, value in (*changes.items(), *derive(changes, self.get)):
            self._put(key, value)

    def _put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            if self._values.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value
