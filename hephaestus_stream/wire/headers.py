"""Headers of a command: where its answer goes.

A header that makes no sense is as good as none: a client's bad header must harm nobody, the client itself included.
So a command with a bad `reply_partition` is applied; only nobody is told, and a refusal goes to the dead letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

REPLY_PARTITION: Final = "reply_partition"

_MOST_DIGITS: Final = 10


def reply_partition(headers: Headers | None, *, partitions: int) -> int | None:
    """The partition of `replies` that the answer goes to; None where no answer was asked for, or not soundly."""
    value = last_header(headers, REPLY_PARTITION)
    # The length is bound first: a million digits are no number anybody waits for.
    if value is None or len(value) > _MOST_DIGITS or not value.isdigit():
        return None
    partition = int(value)
    return partition if partition < partitions else None


def last_header(headers: Headers | None, name: str) -> bytes | None:
    """The value of a header; the last one counts where it stands twice, as in Java's `lastHeader`."""
    for header, value in reversed(headers or ()):
        if header == name:
            return value
    return None
