"""A workflow: a graph of steps, written as a class and refused at once where it is wrong."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, ClassVar, Generic, Never, TypeVar

from hephaestus_stream.core import rules
from hephaestus_stream.core.definition import Definition, Draft, Reuse, Scope
from hephaestus_stream.core.location import caller
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.retry import RetryPolicy
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.step import type_arguments
from hephaestus_stream.core.transition import Transition
from hephaestus_stream.errors import Problem, WorkflowDefinitionError

InputT = TypeVar("InputT")

_collected: ContextVar[list[WorkflowDefinitionError] | None] = ContextVar("collected", default=None)


@contextmanager
def collecting_problems() -> Generator[list[WorkflowDefinitionError]]:
    """Lets wrong workflow classes come into being inside the block, and collects what they would have raised.

    One import of a module then shows the problems of all its classes; such a class has no `definition`.
    """
    errors: list[WorkflowDefinitionError] = []
    token = _collected.set(errors)
    try:
        yield errors
    finally:
        _collected.reset(token)


class Workflow(Generic[InputT]):
    """A durable business process over a start payload: `class OrderFlow(Workflow[Order], key="orderid")`.

    The class body names the nodes, then says where the graph starts and how it goes on. The class is never
    instantiated: it is the definition, and the runs live in the shards.

    Keywords of the class statement:
        key: The prefix of its business keys: with `orderid`, the id `abc123` is the key `orderid::abc123`.
        scope: Among which live runs a key is unique: those of the `workflow`, of the `version`, of all workflows
            with that key (`global`), or not at all (`none`).
        name: The stored name; the class's name unless given, so that classes can be renamed while runs live.
        version: A whole number from 1; a run keeps the version it was started with.
        current: Whether starts that name no version may take this one: they take the highest that says so. With
            `current=False` a new version is there for those only who name it.
        tags: Words to find its runs by.
        metadata: Anything that JSON can hold.
        retry: The retry policy of steps that have none of their own.
        reuse: Whether an ended key may start again: `always`, `after_failure`, or `never` while its run is kept.
        retention: How long a finished run is kept, and with it what `reuse` says of its key; without it as long as
            the worker's setting says, seven days by default.

    Raises:
        WorkflowDefinitionError: At class creation, with all problems at once.
    """

    definition: ClassVar[Definition]
    """The checked and compiled workflow; made by class creation."""

    start: ClassVar[Node]
    transitions: ClassVar[tuple[Transition, ...]]

    def __init_subclass__(
        cls,
        *,
        key: str | None = None,
        scope: Scope = "workflow",
        name: str | None = None,
        version: int = 1,
        current: bool = True,
        tags: tuple[str, ...] = (),
        metadata: Mapping[str, Any] | None = None,
        retry: RetryPolicy | None = None,
        reuse: Reuse = "always",
        retention: timedelta | None = None,
        **unknown: Never,  # refused by checkers as if it were not there, and by the rules with the way out
    ) -> None:
        super().__init_subclass__()
        draft = Draft(
            class_name=cls.__name__,
            input_type=type_arguments(cls, Workflow)[0],
            nodes={
                attribute: value
                for attribute, value in vars(cls).items()
                if isinstance(value, Node) and attribute != "start"
            },
            start=vars(cls).get("start"),
            transitions=vars(cls).get("transitions"),
            location=caller(outside=frozenset({__name__, "types", "abc"})),
            doc=inspect.cleandoc(vars(cls).get("__doc__") or ""),
            key=key,
            scope=scope,
            name=cls.__name__ if name is None else name,
            version=version,
            current=current,
            tags=tags,
            metadata={} if metadata is None else metadata,
            retry=retry,
            reuse=reuse,
            retention=retention,
            shadowed=tuple(name for name in ("definition",) if not isinstance(vars(cls).get(name, None), Node | None)),
            unknown=tuple(unknown),
        )
        problems = _problems(cls, draft)
        if problems:
            _refuse(WorkflowDefinitionError(draft.class_name, problems))
        else:
            cls.definition = _compile(draft, module=cls.__module__, qualname=cls.__qualname__)


def _problems(cls: type[Workflow[Any]], draft: Draft) -> list[Problem]:
    problems = list(rules.check(draft))
    parents = [parent.__name__ for parent in cls.__mro__[1:] if "definition" in vars(parent)]
    if parents:
        problems.insert(
            0,
            problem(
                Rule.INHERITED_WORKFLOW,
                draft.location,
                what=f"{draft.class_name} is a subclass of {parents[0]}, which has nodes",
                remedy="a workflow is not inherited from: derive from Workflow[...] and share step classes instead",
            ),
        )
    return problems


def _refuse(error: WorkflowDefinitionError) -> None:
    errors = _collected.get()
    if errors is None:
        raise error
    errors.append(error)


def _compile(draft: Draft, *, module: str, qualname: str) -> Definition:
    for name, node in draft.nodes.items():
        node.belong(workflow=draft.class_name, name=sys.intern(name))
    routed = {(row.source.node_name, row.event): row for row in draft.rows if row.choose is not None}
    return Definition(
        name=draft.name,
        version=draft.version,
        current=draft.current,
        key=draft.key or "",
        scope=draft.scope,
        reuse=draft.reuse,
        retention=draft.retention,
        tags=tuple(draft.tags),
        metadata=dict(draft.metadata),
        retry=draft.retry,
        graph=draft.graph,
        nodes=dict(draft.nodes),
        input_type=draft.input_type,
        class_name=draft.class_name,
        doc=draft.doc,
        location=draft.location,
        routes={place: row.choose for place, row in routed.items() if row.choose is not None},
        labels={place: frozenset(label for label in row.targets if label is not None) for place, row in routed.items()},
        module=module,
        qualname=qualname,
    )
