"""Every row has a test, and the page says which."""

from __future__ import annotations

import pytest

from tests.parity.marks import ROOT, marks, shown_by_row
from tests.parity.page import PATH, page
from tests.parity.rows import Row, rows


def test_the_page_is_what_the_rows_and_the_marks_make_of_it() -> None:
    assert PATH.read_text() == page(rows(), shown_by_row()), "run `python -m tests.parity`"


def test_the_rows_are_numbered_without_a_gap() -> None:
    assert [row.number for row in rows()] == list(range(1, 28))


def test_nothing_is_left_to_be_done() -> None:
    assert [row.number for row in rows() if row.planned] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"row {row.number}")
def test_each_row_that_is_not_planned_has_a_test(row: Row) -> None:
    assert row.planned or shown_by_row().get(row.number), f"no test is marked parity({row.number}): {row.title}"


def test_no_mark_names_a_row_that_there_is_not() -> None:
    assert set(shown_by_row()) <= {row.number for row in rows()}


def test_no_mark_is_overlooked() -> None:
    """One at a class, or in a file that pytest does not read, would count for nobody."""
    for path in (ROOT / "tests").rglob("*.py"):
        if path.parent.name != "parity":
            source = path.read_text()
            assert source.count("mark.parity(") == len(marks(source) if path.name.startswith("test_") else []), path
