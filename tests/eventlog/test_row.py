from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hephaestus_stream.errors import EventLogError
from hephaestus_stream.eventlog.row import read_rows

TEXT = 'case,activity\nc-1,"open, or so"\nc-2,"two\nlines"\n\nc-3,é\n'


def test_rows_are_read_by_their_columns_and_know_their_number_and_line(tmp_path: Path) -> None:
    rows = list(read_rows(_file(tmp_path, TEXT.encode())))

    assert [dict(row) for row in rows] == [
        {"case": "c-1", "activity": "open, or so"},
        {"case": "c-2", "activity": "two\nlines"},
        {"case": "c-3", "activity": "é"},
    ]
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 4), (3, 6)]


def test_a_gzipped_file_is_read_alike_whatever_its_name(tmp_path: Path) -> None:
    plain = [dict(row) for row in read_rows(_file(tmp_path, TEXT.encode()))]
    gzipped = [dict(row) for row in read_rows(_file(tmp_path, gzip.compress(TEXT.encode())))]

    assert gzipped == plain


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (row,) = read_rows(_file(tmp_path, b"\xef\xbb\xbfcase\nc-1\n"))

    assert dict(row) == {"case": "c-1"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no first line"),
        (b"case,activity\nc-1\n", "log.csv:2 has 1 values for 2 columns"),
        (b"case,activity\n\n", "log.csv has no row below its first line"),
        (b"case,case\n", "names case twice"),
        (b'case\n"c-1" and more\n', "log.csv:2 is no CSV"),
        (b"case\n\xff\xfe\n", "no text in UTF-8"),
        (gzip.compress(TEXT.encode() * 1000)[:-20], "damaged gzip"),
        (gzip.compress(TEXT.encode())[:-1] + b"?", "damaged gzip"),
    ],
    ids=["empty", "short", "no rows", "twice", "quotes", "binary", "truncated", "checksum"],
)
def test_a_file_that_is_no_sound_csv_is_refused_with_its_place(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(EventLogError, match=problem):
        list(read_rows(_file(tmp_path, content)))


@pytest.mark.parametrize("content", [b"case,what\n", b"c-1,opened\n", b"case,what\nc-1,opened\n"])
def test_a_required_column_is_missed_with_and_without_rows(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(EventLogError, match="no column 'activity'; its first line names "):
        list(read_rows(_file(tmp_path, content), required=("activity",)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventLogError, match=r"none\.csv cannot be opened: No such file"):
        list(read_rows(tmp_path / "none.csv"))


def _file(folder: Path, content: bytes) -> Path:
    file = folder / "log.csv"
    file.write_bytes(content)
    return file
