r"""What aiokafka reads of a fetch, with the headers that it would not read: their names may be no text.

Kafka's own client writes names in UTF-8, and a broker takes any bytes. aiokafka raises on those, again and again: one
record would end each worker that comes to own its partition. So a batch with such a record is read a second time, and
slower, with what is no UTF-8 in a name escaped, as `\xff`.
"""

# ruff: noqa: SLF001 - aiokafka has no other place for it
# mypy: disable-error-code="import-untyped"
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

SIGNATURES: Sequence[tuple[Callable[..., object], str]] = [
    (fetcher.Fetcher._proc_fetch_request, "(self, assignment, node_id, request)"),
    (_DefaultRecordBatchPy._maybe_uncompress, "(self)"),
]

NAMES: Sequence[tuple[Callable[..., object], Sequence[str]]] = [
    (fetcher.Fetcher._proc_fetch_request, ["MemoryRecords"]),
    (_DefaultRecordBatchPy._maybe_uncompress, ["_buffer"]),
]

# Before each batch: the offset of its first record, and how many bytes follow.
_HEAD: Final = struct.Struct(">qi")


class FetchedRecords:
    """The batches of one partition in a fetch; in the place of aiokafka's `MemoryRecords`, which it asks.

    Args:
        data: As they came; the last batch may be cut off.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self._begin = 0

    def size_in_bytes(self) -> int:
        """How much it was."""
        size: int = self._records.size_in_bytes()
        return size

    def has_next(self) -> bool:
        """Whether there is a further batch."""
        found: bool = self._records.has_next()
        return found

    def next_batch(self) -> _Batch:
        """The next one."""
        begin = self._begin
        self._begin += _HEAD.size + _HEAD.unpack_from(self._data, begin)[1]
        return _Batch(self._records.next_batch(), memoryview(self._data)[begin : self._begin])


class _Batch:
    """A batch as aiokafka reads it, as long as it can."""

    def __init__(self, batch: Any, data: memoryview) -> None:  # noqa: ANN401 - one of aiokafka's four classes
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # noqa: ANN401 - as above
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                yield record
                read += 1
        except UnicodeDecodeError:
            yield from islice(_EscapedBatch(self._data), read, None)


class _EscapedBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for checkers alone
    """A batch whose header names are escaped where they are no UTF-8."""

    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _EscapedText(self._buffer)


class _EscapedText(bytearray):
    """Bytes whose parts can be read as text, whatever they are."""

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 - as of bytes
        found = super().__getitem__(place)
        return _EscapedText(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


# The fetcher makes its records by this name and offers no other way; for well-formed ones nothing changes.
fetcher.MemoryRecords = FetchedRecords
