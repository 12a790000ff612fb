"""What class creation refuses about what steps execute."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import pytest

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.core.rule import Rule
from tests.core.flows import Order
from tests.core.refusals import assert_refused, problems_of, untyped


class Idle(Step[object]):
    """Leaves `execute` to its subclasses."""

    done = Event()


class Busy(Idle):
    """Has it."""

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.done()


def in_a_workflow(execute: object) -> None:
    class Work(Idle):
        pass

    untyped(Work).execute = execute

    class Flow(Workflow[Order], key="order"):
        work = Work()
        end = Done()
        start = work
        transitions = (work.done.to(end),)


def test_a_node_whose_class_has_no_execute_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            idle = Idle()  # here
            end = Done()
            start = idle
            transitions = (idle.done.to(end),)

    what = "idle can never run: Idle has no execute"
    assert_refused(make, Rule.MISSING_EXECUTE, what, "write it: async def execute(self, instance, config, context)")


def test_a_class_without_execute_is_refused_once_however_many_nodes_it_has() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            idle = Idle()  # here
            again = Idle()
            end = Done()
            start = idle
            transitions = (idle.done.to(again), again.done.to(end))

    assert_refused(make, Rule.MISSING_EXECUTE, "idle can never run: Idle has no execute", "write it")


def test_a_class_that_leaves_execute_to_its_subclasses_is_fine_where_they_are_the_nodes() -> None:
    class Flow(Workflow[Order], key="order"):
        busy = Busy()
        end = Done()
        start = busy
        transitions = (busy.done.to(end),)

    assert Flow.busy.workflow_name == "Flow"


def test_an_execute_that_cannot_be_called_is_refused_at_its_node() -> None:
    class Narrow(Idle):
        async def execute(self, context: Context[object]) -> Outcome:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            return self.done()

    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Narrow()  # here
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    what = (
        "work can never run: Narrow.execute cannot be called with instance, config and context "
        "(too many positional arguments)"
    )
    assert_refused(make, Rule.BAD_EXECUTE, what, "write async def execute(self, instance, config, context)")
    [problem] = problems_of(make)
    [note] = problem.notes
    assert (note.what, note.line) == ("execute is written here", Narrow.execute.__code__.co_firstlineno)


def without_itself(instance: object, config: object, context: object) -> None: ...


def by_keyword(self: object, *, instance: object, config: object, context: object) -> None: ...


def with_more(self: object, i: object, c: object, x: object, database: object) -> None: ...


@pytest.mark.parametrize(
    ("execute", "reason"),
    [
        (without_itself, "too many positional arguments"),
        (by_keyword, "too many positional arguments"),
        (with_more, "missing a required argument: 'database'"),
        (5, "it is 5"),
    ],
)
def test_an_execute_that_takes_other_arguments_is_refused(execute: object, reason: str) -> None:
    [problem] = problems_of(lambda: in_a_workflow(execute))
    assert problem.rule == Rule.BAD_EXECUTE
    assert f"({reason})" in problem.what


def plain(self: object, instance: object, config: object, context: object) -> None: ...


def with_default(self: object, i: object, c: object, x: object, /, database: object = None) -> None: ...


def with_any(self: object, *arguments: object, **keywords: object) -> None: ...


def with_database(execute: Callable[..., None]) -> Callable[..., None]:
    @wraps(execute)
    def handed(self: object, instance: object, config: object, context: object) -> None:
        execute(self, instance, config, context, "database")

    return handed


@pytest.mark.parametrize(
    "execute", [plain, with_default, with_any, staticmethod(without_itself), with_database(with_more)]
)
def test_an_execute_that_can_be_called_is_fine_however_it_is_written(execute: object) -> None:
    in_a_workflow(execute)
