"""Rules about routes: the labels of a table against what its function can return."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from inspect import unwrap
from types import CodeType, SimpleNamespace, UnionType
from typing import Literal, Union, cast, get_args, get_origin

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.transition import Transition, label_text
from hephaestus_stream.errors import Note, Problem


def check(draft: Draft) -> Iterator[Problem]:
    """A function without a readable return annotation; a label that the function or the table lacks."""
    for row in draft.rows:
        if row.choose is None:
            continue
        declared = labels_of(row.choose)
        place = f"{draft.name_of(row.source)}.{row.event}"
        function = _name_of(row.choose)
        defined = _where_defined(row.choose)
        if declared is None:
            yield problem(
                Rule.UNLABELLED_ROUTE,
                row.location,
                what=f"{place} is routed by {function}, whose return annotation names no labels",
                remedy=f"annotate it with a Literal or an Enum: def {function}(context) -> Literal[{_quoted(row)}]"
                if function.isidentifier()
                else f"write a function in its place: def choose(context) -> Literal[{_quoted(row)}]",
                notes=defined,
            )
            continue
        written = [label for label in row.targets if label is not None]
        for label in (label for label in declared if label not in written):
            yield problem(
                Rule.MISSING_LABEL,
                row.location,
                what=f"{place} has no target for {label!r}, which {function} can return",
                remedy=f"add {label!r}: node to the table",
                notes=defined,
            )
        for label in (label for label in written if label not in declared):
            yield problem(
                Rule.UNKNOWN_LABEL,
                row.location,
                what=f"{place} has a target for {label!r}, which {function} never returns",
                remedy=f"take it out of the table, or use one of {', '.join(map(repr, declared))}",
                notes=defined,
            )


def labels_of(choose: Callable[..., object]) -> tuple[str, ...] | None:
    """The labels that a routing function's return annotation names; None where it names none.

    Only the return annotation is evaluated: a linter may have moved the imports of the others out of reach.
    """
    function = _function_of(choose)
    annotation = getattr(function, "__annotations__", {}).get("return")
    if annotation is None:
        return None
    alone = SimpleNamespace(__annotations__={"return": annotation})
    try:
        hint: object = typing.get_type_hints(alone, globalns=getattr(function, "__globals__", {}))["return"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return None
    return _labels_in(hint)


def _function_of(choose: Callable[..., object]) -> object:
    """The function whose annotation counts: behind decorators and partials, and the `__call__` of an object."""
    if isinstance(choose, partial):
        return _function_of(cast("partial[object]", choose).func)
    if hasattr(choose, "__globals__"):
        return unwrap(choose)
    return unwrap(getattr(choose, "__call__", choose))  # noqa: B004  # not a test: an object's method


def _name_of(choose: Callable[..., object]) -> str:
    return str(getattr(_function_of(choose), "__name__", type(choose).__name__))


def _where_defined(choose: Callable[..., object]) -> tuple[Note, ...]:
    function = _function_of(choose)
    code: CodeType | None = getattr(function, "__code__", None)
    if code is None:
        return ()
    return (Note(what=f"{_name_of(choose)} is defined here", file=code.co_filename, line=code.co_firstlineno),)


def _labels_in(hint: object) -> tuple[str, ...] | None:
    alias: object = getattr(hint, "__value__", None)  # of `type Speed = Literal[...]`
    if alias is not None:
        return _labels_in(alias)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(label_text(member) for member in hint)
    if get_origin(hint) is Literal:
        return tuple(label_text(value) for value in get_args(hint))
    if get_origin(hint) in {Union, UnionType}:
        parts = [_labels_in(part) for part in get_args(hint)]
        return None if None in parts else tuple(label for part in parts if part for label in part)
    return None


def _quoted(row: Transition) -> str:
    return ", ".join(repr(label) for label in row.targets)
