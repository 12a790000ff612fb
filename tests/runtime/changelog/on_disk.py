"""The store on disk, where tests have the one in memory otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rocksdict import Cache

from hephaestus_stream.cycle.index import derive
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.runtime.changelog.store import Store
from tests.cycle.partition import BEGIN

AFTER_RESERVED = b"\x01"
CACHE = Cache(8 * 1024 * 1024)


class OnDisk(MemoryStore):
    """The store on disk as a partition of these tests writes to it; nothing of the one in memory is left."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.store = Store(path, cache=CACHE, derive=derive)
        self.store.adopt("first")

    def get(self, key: bytes) -> bytes | None:
        return self.store.get(key)

    def scan(
        self, prefix: bytes, *, start: bytes | None = None, end: bytes | None = None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        # Before it lies what only the store on disk has: how far it follows its changelog.
        first = max(start or prefix, AFTER_RESERVED)
        return self.store.scan(prefix, start=first, end=end, limit=limit, reverse=reverse)

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        self.store.write(list(changes.items()), changelog_offset=0, as_of=BEGIN)
