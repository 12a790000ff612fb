from __future__ import annotations

import pytest

from hephaestus_stream.runtime.stream.fetched_records import FetchedRecords
from tests.integration.raw_records import Record, batch_of

NONE, GZIP = 0, 1


Found = tuple[bytes | None, list[tuple[str, bytes | None]]]


def read(data: bytes) -> list[Found]:
    records = FetchedRecords(data)
    found: list[Found] = []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found += [(record.value, list(record.headers)) for record in batch]
    return found


@pytest.mark.parametrize("compression", [NONE, GZIP])
def test_a_header_whose_name_is_no_text_is_escaped_and_every_record_read_once(compression: int) -> None:
    sound: Record = (None, b"1", [(b"a", b"\xff")])
    odd: Record = (b"k", b"2", [("ä".encode(), None), (b"\xffx", b"y")])
    batches = [[sound, odd, sound, odd], [sound], [odd]]
    data = b"".join(batch_of(*batch, compression=compression) for batch in batches)

    one, two = (b"1", [("a", b"\xff")]), (b"2", [("ä", None), (r"\xffx", b"y")])
    assert read(data) == [one, two, one, two, one, two]


def test_a_batch_that_is_cut_off_is_left_for_the_next_fetch() -> None:
    data = batch_of((None, b"1", []))

    assert read(data + data[:-1]) == [(b"1", [])]
    assert read(data[:5]) == []
