"""The pages of the documentation, as the tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent

_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_HEADING = re.compile(r"^#+ ", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: what stands behind the fence, the text, and the line of the page that it begins at."""

    kind: str
    text: str
    line: int


def page(name: str) -> str:
    """A page, by its path in the repository."""
    return (ROOT / name).read_text()


def blocks(text: str, kind: str = "") -> Iterator[Block]:
    """The blocks whose fence begins with `kind`."""
    for found in _FENCE.finditer(text):
        if found[1].startswith(kind):
            yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of any level; headings inside of blocks don't count."""
    blank = _FENCE.sub(lambda block: re.sub(r"\S", " ", block[0]), text)
    start = blank.index(f"{heading}\n")
    following = _HEADING.search(blank, start + len(heading))
    return text[start : following.start() if following else len(text)]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of the tables in a text, cell by cell; their heads are left out."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        for line in table.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def run(text: str, *, name: str) -> ModuleType:
    """Runs the Python of a page from top to bottom in one namespace; tracebacks name the page's own lines."""
    module = ModuleType(name)
    for block in blocks(text, "python"):
        source = "\n" * block.line + block.text
        # Nobody else wrote what is run here.
        exec(compile(source, name, "exec"), vars(module))  # noqa: S102
    return module
