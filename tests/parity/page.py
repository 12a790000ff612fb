"""The page `docs/parity.md`, made of the rows and of the marks of the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.parity.marks import ROOT
from tests.parity.rows import Row

PATH = ROOT / "docs" / "parity.md"

_HEAD = """\
# Parity

What Hephaestus, the engine for Elixir that this one follows, does; what does it here; and which tests would fail
without it. [What happens when](architecture.md) and [what a workflow's words mean](workflows.md) stand elsewhere.

This page is made by `python -m tests.parity` of `tests/parity/rows.toml` and of the marks at the tests, such as
`@pytest.mark.parity(15)`; a test keeps it current. `pytest $(python -m tests.parity 15)` runs the tests of a row.

| # | Hephaestus | here | beyond it | shown by |
|---|---|---|---|---|
"""


def page(rows: Sequence[Row], tests: Mapping[int, Sequence[str]]) -> str:
    """The whole page."""
    table = "".join(_line(row, tests.get(row.number, ())) for row in rows)
    sections = "".join(_section(row, tests[row.number]) for row in rows if row.number in tests)
    return f"{_HEAD}{table}{sections}"


def _line(row: Row, tests: Sequence[str]) -> str:
    cells = (str(row.number), row.original, row.here, row.beyond, "; ".join(_shown(row, tests)))
    return f"| {' | '.join(cells)} |\n"


def _shown(row: Row, tests: Sequence[str]) -> Iterator[str]:
    if tests:
        yield f"[{len(tests)} {'test' if len(tests) == 1 else 'tests'}](#{_anchor(row)})"
    if row.planned:
        yield f"planned: {row.planned}"


def _section(row: Row, tests: Sequence[str]) -> str:
    listed = "\n".join(tests)
    return f"\n## {row.number}: {row.title}\n\n```text\n{listed}\n```\n"


def _anchor(row: Row) -> str:
    """The heading as GitHub writes it in a link."""
    kept = "".join(sign for sign in f"{row.number} {row.title}".lower() if sign.isalnum() or sign in " -")
    return kept.replace(" ", "-")
