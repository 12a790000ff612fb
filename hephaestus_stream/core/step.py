"""A step: one unit of work, written by the user."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Generic, Literal, Union, cast, get_args, get_origin, overload

from typing_extensions import TypeIs, TypeVar

from hephaestus_stream.core.context import Context
from hephaestus_stream.core.event import Event, Outcome
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.location import caller
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.retry import RetryPolicy
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import StepDefinitionError

InputT = TypeVar("InputT")
ConfigT = TypeVar("ConfigT", default=None)

RunnerName = Literal["asyncio", "thread", "process"]

RESERVED_NAMES = frozenset(
    {
        "config",
        "execute",
        "events",
        "retry",
        "timeout",
        "runner",
        "location",
        "node_name",
        "workflow_name",
        "belong",
        "is_blocking",
        "runs_in",
    }
)
"""Attributes of a step that no event may take the name of."""


class Step(Node, Generic[InputT, ConfigT]):
    """A unit of work with declared events; the same class can stand in a graph several times, as several nodes.

    `Step[Order]` reads the start payload of workflows over `Order`, `Step[object]` fits every workflow, and
    `Step[Order, ChargeConfig]` takes a configuration at each node.

    Attributes:
        retry: The policy for failed attempts; None leaves it to the workflow, then to the library.
        timeout: How long one attempt may take; None means no bound.
        runner: `asyncio`, `thread` or `process`. Without it the kind of `execute` says which of the first two; a
            `process` is for what keeps a processor busy, and is killed where it does not stop by itself.
        config: The configuration of this node.
    """

    retry: ClassVar[RetryPolicy | None] = None
    timeout: ClassVar[timedelta | None] = None
    runner: ClassVar[RunnerName | None] = None
    config: ConfigT

    @overload
    def __init__(self: Step[Any, None]) -> None: ...
    @overload
    def __init__(self, config: ConfigT) -> None: ...
    def __init__(self, config: object = None) -> None:
        expected = type_arguments(type(self), Step)[1] or type(None)
        if not _may_be(config, expected):
            step = type(self).__name__
            given = "none" if config is None else type(config).__name__
            if expected is type(None):
                what, remedy = f"{step} takes no configuration and got {given}", f"write {step}()"
            else:
                kind = expected.__name__ if isinstance(expected, type) else str(expected)
                what, remedy = (
                    f"{step} takes a configuration of type {kind} and got {given}",
                    f"write {step}({kind}(...))",
                )
            raise StepDefinitionError(problem(Rule.BAD_CONFIGURATION, self.location, what=what, remedy=remedy))
        self.config = cast("ConfigT", config)

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        for name, value in vars(cls).items():
            _refuse_bad_event(cls, name, value)
        wrong = _problem_of_attributes(cls)
        if wrong is not None:
            rule, what, remedy = wrong
            raise _refused(rule, what=f"{cls.__name__}.{what}", remedy=remedy)

    def execute(self, instance: Instance, config: ConfigT, context: Context[InputT]) -> Outcome | Awaitable[Outcome]:
        """Does the work and says how it ended. `async def` runs on the event loop, `def` in a thread or a process.

        It may be called more than once for one node: after a failed attempt, and after a crash. Whatever it does
        outside should carry `context.idempotency_key`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no execute method")

    def events(self) -> Mapping[str, Event[Any]]:
        """The events that this node can emit as it is configured, by name; each must lead somewhere."""
        return _declared_events(type(self))

    @classmethod
    def is_blocking(cls) -> bool:
        """Whether `execute` must not run on the event loop."""
        return not _is_coroutine(cls.execute)

    @classmethod
    def runs_in(cls) -> RunnerName:
        """Where `execute` runs: as the class says, else as its kind says."""
        return cls.runner or ("thread" if cls.is_blocking() else "asyncio")


_UNWRITTEN = cast("Callable[..., object]", vars(Step)["execute"])
"""What a step has for `execute` until somebody writes one."""


def has_execute(step: type[Step[Any, Any]]) -> bool:
    """Whether somebody has written what a step does."""
    return cast("Callable[..., object]", step.execute) is not _UNWRITTEN


@cache  # asked for each attempt, and always answered the same
def _is_coroutine(execute: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(execute)


def _refused(rule: Rule, *, what: str, remedy: str) -> StepDefinitionError:
    """The error about the class statement that is being executed."""
    where = caller(outside=frozenset({__name__, "abc", "types"}))
    return StepDefinitionError(problem(rule, where, what=what, remedy=remedy))


def _problem_of_attributes(step: type[Step[Any, Any]]) -> tuple[Rule, str, str] | None:
    """What is wrong with a step's policy, bound and runner: said here, or each attempt would fail by it."""
    # What a type checker would not let pass, either.
    retry, timeout, runner = cast("tuple[object, object, object]", (step.retry, step.timeout, step.runner))
    execute = cast("Callable[..., object]", step.execute)
    if not isinstance(retry, RetryPolicy | None):
        remedy = "give a RetryPolicy(...), or leave it out"
        return Rule.BAD_STEP_RETRY, f"retry is {retry!r}, which is no policy", remedy
    if timeout is not None and not (isinstance(timeout, timedelta) and timeout > timedelta(0)):
        remedy = "give a timedelta above zero, as timedelta(seconds=20)"
        return Rule.BAD_TIMEOUT, f"timeout is {timeout!r}, which is no duration", remedy
    if runner is not None and runner not in get_args(RunnerName):
        remedy = f"choose one of {', '.join(get_args(RunnerName))}, or leave it out"
        return Rule.BAD_RUNNER, f"runner is {runner!r}, which is unknown", remedy
    if runner in {"thread", "process"} and _is_coroutine(execute):
        what = f"runner is {runner!r}, but async def execute runs on the event loop"
        return Rule.BAD_RUNNER, what, "write def execute"
    if runner == "asyncio" and not _is_coroutine(execute) and execute is not _UNWRITTEN:
        what = "runner is 'asyncio', but def execute would block the event loop"
        return Rule.BAD_RUNNER, what, "write async def execute"
    return None


def is_step(node: object) -> TypeIs[Step[Any, Any]]:
    """Whether a node does work, as opposed to an ending."""
    return isinstance(node, Step)


def _refuse_bad_event(step: type[Step[Any, Any]], name: str, event: object) -> None:
    if not isinstance(event, Event):
        return
    if (event.owner, event.name) != (step, name):
        first = f"{event.owner.__name__ if event.owner else step.__name__}.{event.name}"
        what = f"{step.__name__}.{name} is the same Event object as {first}"
        raise _refused(Rule.SHARED_EVENT, what=what, remedy=f"give each its own: {name} = Event(...)")
    if name in RESERVED_NAMES:
        what = f"{step.__name__}.{name} is an event, but {name} is an attribute that every step has"
        raise _refused(Rule.RESERVED_EVENT, what=what, remedy="call the event something else")


def _may_be(config: object, expected: object) -> bool:
    """Whether a configuration fits its type, as far as that can be told without looking into it."""
    if isinstance(expected, TypeVar) or expected is Any or expected is object:
        return True
    if get_origin(expected) in {Union, UnionType}:
        return any(_may_be(config, member) for member in get_args(expected))
    if get_origin(expected) is Literal:
        return config in get_args(expected)
    plain = get_origin(expected) or expected
    plain = (int, float) if plain is float else plain  # type checkers let an int stand for a float
    try:
        return isinstance(config, cast("type", plain))
    except TypeError:  # a Protocol, a TypedDict, a NewType: only a type checker can tell
        return config is not None


def _declared_events(step: type[Step[Any, Any]]) -> dict[str, Event[Any]]:
    found: dict[str, Event[Any]] = {}
    for owner in reversed(step.__mro__):
        for name, value in vars(owner).items():
            if isinstance(value, Event):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def type_arguments(cls: type, base: type) -> tuple[object, ...]:
    """What `base`'s type parameters are in `cls`: a class, a typing form, or a TypeVar where it is left open.

    Looks through generic subclasses: with `class AwaitReview(WaitForEvent[Review])` it knows what `Step` was given.
    """
    return _arguments_in(cls, base, {}) or tuple(getattr(base, "__parameters__", ()))


def _arguments_in(cls: type, base: type, bound: Mapping[object, object]) -> tuple[object, ...] | None:
    if cls is base:
        return tuple(bound.get(parameter, _default_of(parameter)) for parameter in getattr(cls, "__parameters__", ()))
    for parent in getattr(cls, "__orig_bases__", cls.__bases__):
        origin = get_origin(parent) or parent
        if not (isinstance(origin, type) and issubclass(origin, base)):
            continue
        arguments = [bound.get(argument, argument) for argument in get_args(parent)]
        inner: dict[object, object] = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False))
        return _arguments_in(origin, base, inner)
    return None


def _default_of(parameter: object) -> object:
    default = getattr(parameter, "__default__", None)
    return type(None) if default is None else parameter
