"""The rows of the parity table: what the original does, and what is here in its place."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel

_FILE = Path(__file__).with_name("rows.toml")


class Row(BaseModel, frozen=True, extra="forbid"):
    """One row.

    Attributes:
        number: What its tests are found by.
        title: Two or three words for it.
        original: What Hephaestus does.
        here: What does it here.
        beyond: Where the original is wrong or silent.
        planned: What of it is not there yet; empty for a row that is.
    """

    number: int
    title: str
    original: str
    here: str
    beyond: str
    planned: str = ""


class _File(BaseModel, extra="forbid"):
    row: tuple[Row, ...]


def rows() -> tuple[Row, ...]:
    """All rows in their order."""
    return _File.model_validate(tomllib.loads(_FILE.read_text())).row
