"""Rules about what a step executes: it is written, and takes what it is called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, cast

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.location import Location
from hephaestus_stream.core.problem import note, problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.step import Step, has_execute, is_step
from hephaestus_stream.errors import Note, Problem

_SIGNATURE = "async def execute(self, instance, config, context)"


def check(draft: Draft) -> Iterator[Problem]:
    """A step class without `execute`, or with one that cannot be called: told once, of its first node.

    Only nodes are looked at, so that a class for others to derive from may leave `execute` to them.
    """
    first = {type(node): (name, node) for name, node in reversed(draft.nodes.items()) if is_step(node)}
    for name, node in draft.nodes.items():
        if not is_step(node) or first[type(node)][0] != name:
            continue
        if not has_execute(type(node)):
            yield problem(
                Rule.MISSING_EXECUTE,
                node.location,
                what=f"{name} can never run: {type(node).__name__} has no execute",
                remedy=f"write it: {_SIGNATURE}",
            )
            continue
        reason = _why_not_callable(node)
        if reason is not None:
            yield problem(
                Rule.BAD_EXECUTE,
                node.location,
                what=f"{name} can never run: {type(node).__name__}.execute cannot be called with instance, config "
                f"and context ({reason})",
                remedy=f"write {_SIGNATURE}",
                notes=_where_written(node),
            )


def _why_not_callable(node: Step[Any, Any]) -> str | None:
    execute = cast("Callable[..., object]", node.execute)
    try:
        # What a decorator wraps may take more than the decorator does.
        signature = inspect.signature(execute, follow_wrapped=False)
    except ValueError:  # written in C: nobody knows
        return None
    except TypeError:
        return f"it is {execute!r}"
    try:
        signature.bind(None, None, None)
    except TypeError as error:
        return str(error)
    return None


def _where_written(node: Step[Any, Any]) -> tuple[Note, ...]:
    code = getattr(type(node).execute, "__code__", None)
    if not inspect.iscode(code):
        return ()
    return (note("execute is written here", Location(code.co_filename, code.co_firstlineno, type(node).__module__)),)
