"""Which tests say that they show which rows: their marks, read from the source without importing it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_Test = ast.FunctionDef | ast.AsyncFunctionDef


class Mark(NamedTuple):
    """One mark: the rows that it names, and the tests that it stands for."""

    rows: tuple[int, ...]
    tests: tuple[str, ...]


def shown_by_row() -> Mapping[int, tuple[str, ...]]:
    """The ids of the tests of each row, as `tests/core/test_retry.py::test_...`."""
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = path.relative_to(ROOT).as_posix()
        for mark in marks(path.read_text()):
            for row in mark.rows:
                found[row].update(dict.fromkeys(f"{name}::{test}" for test in mark.tests))
    return {row: tuple(tests) for row, tests in found.items()}


def marks(source: str) -> list[Mark]:
    """The marks of a file: those of its tests, and that of the file, which stands for all of them."""
    return list(_marks(ast.parse(source).body)) if "mark.parity(" in source else []


def _marks(body: list[ast.stmt]) -> Iterator[Mark]:
    tests = [node for node in body if isinstance(node, _Test) and node.name.startswith("test_")]
    for node in body:
        match node:
            case ast.Assign(
                targets=[ast.Name("pytestmark")], value=ast.Call(func=ast.Attribute(attr="parity")) as call
            ):
                yield Mark(_rows_of(call), tuple(test.name for test in tests))
            case _:
                pass
    for test in tests:
        for decorator in test.decorator_list:
            match decorator:
                case ast.Call(func=ast.Attribute(attr="parity")) as call:
                    yield Mark(_rows_of(call), (test.name,))
                case _:
                    pass


def _rows_of(call: ast.Call) -> tuple[int, ...]:
    return tuple(_number(row) for row in call.args)


def _number(row: ast.expr) -> int:
    match row:
        case ast.Constant(int(number)):
            return number
        case _:
            raise ValueError(f"parity({ast.unparse(row)}) names no row: write its number")
