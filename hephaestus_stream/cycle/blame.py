"""Errors that no input is to blame for: none may be refused, dead-lettered or taken in again because of them."""

from __future__ import annotations

from typing import Final

from hephaestus_stream.errors import EngineBrokenError, OutOfResourcesError, ShardClosedError, StoreFailedError

OF_NO_INPUT: Final = (
    EngineBrokenError,
    MemoryError,
    OutOfResourcesError,
    ShardClosedError,  # a record of a newer release
    StoreFailedError,
)
"""Whoever owns the partition must exit; what was committed the next owner finds out."""
