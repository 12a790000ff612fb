"""A record on its way to Kafka."""

from __future__ import annotations

from typing import NamedTuple


class OutputRecord(NamedTuple):
    """One record of a batch; the partition is the batch's."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None = None
