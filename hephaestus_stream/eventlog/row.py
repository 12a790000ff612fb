"""A row of an event log, read from a CSV file that may be gzipped."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from hephaestus_stream.errors import EventLogError

_GZIP: Final = b"\x1f\x8b"


class Row(Mapping[str, str]):
    """The values of one row by their columns.

    Args:
        values: The values by column.
        number: The row's place among the rows, counted from 1.
        line: The file's line that it ends on, for people; a quoted value may span lines.
    """

    def __init__(self, values: Mapping[str, str], *, number: int, line: int) -> None:
        self._values = values
        self.number = number
        self.line = line

    def __getitem__(self, column: str) -> str:
        return self._values[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def read_rows(path: Path, *, required: Sequence[str] = ()) -> Iterator[Row]:
    """Reads a file row by row; its first line names the columns.

    Args:
        path: CSV, gzipped or not.
        required: Columns that must be named.

    Raises:
        EventLogError: The file cannot be opened, is damaged or no CSV in UTF-8, lacks a required column or any row.
    """
    try:
        with _open(path) as file:
            yield from _rows(path, _unpacked(file), required)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise EventLogError(f"{path} is damaged gzip ({error}): fetch or make it again") from error
    except UnicodeDecodeError as error:
        raise EventLogError(f"{path} is no text in UTF-8 ({error.reason}): give a CSV file, gzipped or not") from error


def no_column(names: Iterable[str], column: str) -> str:
    """What is wrong with a log whose first line lacks a column."""
    return f"the log has no column {column!r}; its first line names {', '.join(names)}"


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise EventLogError(f"{path} cannot be opened: {error.strerror}; look at its name") from error


def _unpacked(file: IO[bytes]) -> Iterable[bytes]:
    """The lines of a file, gzipped or not: judged by the content, since names lie."""
    start = file.read(len(_GZIP))
    file.seek(0)
    if start == _GZIP:
        return gzip.open(file)
    return file


def _rows(path: Path, content: Iterable[bytes], required: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(_lines(content), strict=True)
    try:
        columns = _columns(path, next(reader, None), required)
        number = 0
        for values in reader:
            if not values:
                continue  # an empty line, often the last
            if len(values) != len(columns):
                raise EventLogError(
                    f"{path}:{reader.line_num} has {len(values)} values for {len(columns)} columns: mend the line"
                )
            number += 1
            yield Row(dict(zip(columns, values, strict=True)), number=number, line=reader.line_num)
        if not number:
            raise EventLogError(f"{path} has no row below its first line: give a log in which something happened")
    except csv.Error as error:
        raise EventLogError(f"{path}:{reader.line_num} is no CSV ({error}): give a CSV file, gzipped or not") from error


def _lines(content: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(content):
        # The byte order mark that some spreadsheets write.
        yield line.decode("utf-8-sig" if number == 0 else "utf-8")


def _columns(path: Path, names: list[str] | None, required: Sequence[str]) -> list[str]:
    if not names:
        raise EventLogError(f"{path} has no first line: it must name the columns")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise EventLogError(f"{path} names {', '.join(sorted(twice))} twice in its first line: rename one of them")
    for column in required:
        if column not in names:
            raise EventLogError(no_column(names, column))
    return names
