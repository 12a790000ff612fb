"""A shard's committed state in memory, for the Simulator."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping

from hephaestus_stream.cycle.tables import derive


class MemoryStore:
    """A sorted map of bytes, with the same reading methods as the store on disk."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self._values.get(key)

    def scan(
        self, prefix: bytes, *, start: bytes | None = None, end: bytes | None = None, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """Entries whose keys have the prefix, in the order of their keys, from `start` on and below `end`."""
        found: list[tuple[bytes, bytes]] = []
        for index in range(bisect_left(self._keys, max(start or prefix, prefix)), len(self._keys)):
            key = self._keys[index]
            if len(found) == limit or not key.startswith(prefix) or (end is not None and key >= end):
                break
            found.append((key, self._values[key]))
        return found

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Writes changes, and what derives from them."""
        for key, value in changes.items():
            self._put(key, value)
            for derived_key, derived_value in derive(key, value):
                self._put(derived_key, derived_value)

    def _put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            if self._values.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value
