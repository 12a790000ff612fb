"""Rules about the input types of a workflow and its steps."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.step import Step, is_step, type_arguments
from hephaestus_stream.errors import Problem


def check(draft: Draft) -> Iterator[Problem]:
    """A workflow without an input type, or with one that pydantic cannot read; a step that reads another one."""
    if isinstance(draft.input_type, TypeVar):
        yield problem(
            Rule.MISSING_INPUT,
            draft.location,
            what=f"{draft.class_name} does not say what starts it",
            remedy=f"name its input: class {draft.class_name}(Workflow[Order], ...), or Workflow[None]",
        )
        return
    reason = _why_unreadable(draft.input_type)
    if reason is not None:
        yield problem(
            Rule.UNREADABLE_INPUT,
            draft.location,
            what=f"{draft.class_name} cannot be started with {show(draft.input_type)}",
            remedy=f"use a pydantic model or another type that pydantic can read: {reason}",
        )
    for name, node in draft.nodes.items():
        if not is_step(node):
            continue
        yield from _unreadable_payloads(name, node)
        # `MyStep[Order]()` leaves its parameter with the object.
        alias = get_args(getattr(node, "__orig_class__", None))
        reads = type_arguments(type(node), Step)[0]
        reads = alias[0] if alias and isinstance(reads, TypeVar) else reads
        if not accepts(reads, draft.input_type):
            yield problem(
                Rule.OTHER_INPUT,
                node.location,
                what=f"{name} reads {show(reads)}, but {draft.class_name} is started with {show(draft.input_type)}",
                remedy=f"use a step over {show(draft.input_type)}, or over one of its base classes (object fits all)",
            )


def _unreadable_payloads(name: str, node: Step[Any, Any]) -> Iterator[Problem]:
    for event, declared in node.events().items():
        reason = None if declared.model is None else _why_unreadable(declared.model)
        if reason is not None:
            yield problem(
                Rule.UNREADABLE_PAYLOAD,
                node.location,
                what=f"{name}.{event} cannot carry {show(declared.model)}",
                remedy=f"use a pydantic model or another type that pydantic can read: {reason}",
            )


def _why_unreadable(kind: object) -> str | None:
    try:
        TypeAdapter[Any](cast("type[Any]", kind))
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        return error.message.partition(". ")[0]  # what follows advises on pydantic's own settings
    return None


def accepts(reads: object, given: object) -> bool:
    """Whether a step that reads one type can be handed the other: it is the same, or a supertype."""
    if reads is object or reads is Any or isinstance(reads, TypeVar) or reads == given:
        return True
    if get_origin(reads) in {Union, types.UnionType}:
        return all(any(accepts(part, each) for part in get_args(reads)) for each in _members(given))
    reads, given = (type(None) if each is None else each for each in (reads, given))
    wider, narrower = get_origin(reads) or reads, get_origin(given) or given
    try:
        related = isinstance(wider, type) and isinstance(narrower, type) and issubclass(narrower, wider)
    except TypeError:  # a TypedDict, or a Protocol that is not runtime-checkable
        return False
    return related and (wider is reads or get_args(reads) == get_args(given))


def _members(given: object) -> tuple[object, ...]:
    return get_args(given) if get_origin(given) in {Union, types.UnionType} else (given,)


def show(annotation: object) -> str:
    """A type as the user wrote it."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
