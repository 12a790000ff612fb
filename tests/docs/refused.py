"""Everything that class creation refuses, each made once: the page of the workflows shows what was really said."""

from __future__ import annotations

from hephaestus_stream import WorkflowDefinitionError
from hephaestus_stream.errors import StepDefinitionError

BEGINNING = """
from datetime import datetime, timedelta
from typing import Literal
from pydantic import BaseModel
from hephaestus_stream import *
from hephaestus_stream.core.node import Node

class Order(BaseModel): ...
class Invoice(BaseModel): ...
class Rebate(BaseModel): ...
class Unreadable: ...
class Work(Step[object]): done = Event()
class Check(Step[object]): passed, failed = Event(), Event()
class Bill(Step[Invoice]): done = Event()
class Grant(Step[object, Rebate]): done = Event()
class ValidateOrder(Step[object]): valid, invalid = Event(), Event()
class Silent(Step[object]): ...
def by_size(context) -> Literal["large", "small"]: ...
def by_nothing(context): ...
elsewhere = Work()

class First(Workflow[Order], key="order"):
    task = Work()
    end = Done()
    start = task
    transitions = (task.done.to(end),)
"""

_GOOD = "work, end = Work(), Done(); start = work; transitions = (work.done.to(end),)"
_FANOUT = "work, a, b, join, end = Work(), Check(), Work(), Work(), Done(); start = work; "

HEADS = (
    "Workflow[Order]",
    "Workflow[Order], key='a::b'",
    "Workflow[Order], key='order', name='Order Flow'",
    "Workflow[Order], key='order', version=0",
    "Workflow[Order], key='order', scope='galaxy'",
    "Workflow[Order], key='order', reuse='sometimes'",
    "Workflow[Order], key='order', retention=timedelta(0)",
    "Workflow[Order], key='order', tags='sales'",
    "Workflow[Order], key='order', retry=5",
    "Workflow[Order], key='order', metadata={'since': timedelta(1)}",
    "Workflow, key='order'",
    "Workflow[Unreadable], key='order'",
    "First, key='order'",
)
"""Wrong class statements over a good body."""

BODIES = (
    f"definition = 'how we ship'; {_GOOD}",
    "work = definition = Work(); end = Done(); start = work; transitions = (work.done.to(end),)",
    "_work, end = Work(), Done(); start = _work; transitions = (_work.done.to(end),)",
    "work, end = Work(), Done(); transitions = (work.done.to(end),)",
    "work, end = Work(), Done(); start = 'work'; transitions = (work.done.to(end),)",
    "start = Work(); end = Done(); transitions = (start.done.to(end),)",
    "work = again = Work(); end = Done(); start = work; transitions = (work.done.to(end),)",
    "work, end = First.task, Done(); start = work; transitions = (work.done.to(end),)",
    "work, end = Work(), Done(); start = work",
    "work, end = Work(), Done(); start = work; transitions = work.done.to(end)",
    f"{_GOOD}; transitions = (*transitions, 5)",
    "work, end = Check(), Done(); start = work; transitions = (work.passed.to(end), work.failed.to(Work))",
    "work, end = Check(), Done(); start = work; transitions = (work.passed.to(end), work.failed.to(elsewhere))",
    "work, end = Work(), Done(); start = work; transitions = (work.done.to(end), work.done.to(end))",
    "check, end = Check(), Done(); start = check; transitions = (check.passed.to(end),)",
    "work, end = Work(), Done(); start = work; transitions = (work.done.to(end, end),)",
    "check, end = Check(), Done(); start = check; transitions = (check.passed.to(end), check.failed.to())",
    "bill, end = Bill(), Done(); start = bill; transitions = (bill.done.to(end),)",
    "work, end = Work(), Done(); start = work; transitions = (work.done.route(by_nothing).to({'large': end}),)",
    "work, end = Work(), Done(); start = work; transitions = (work.done.route(by_size).to({'large': end}),)",
    (
        "work, end = Work(), Done(); start = work; "
        "transitions = (work.done.route(by_size).to({'large': end, 'small': end, 'huge': end}),)"
    ),
    "a, b, end = Work(), Check(), Done(); start = a; transitions = (a.done.to(b), b.passed.to(end), b.failed.to(a))",
    "work, ship, end = Work(), Work(), Done(); start = work; transitions = (work.done.to(end), ship.done.to(end))",
    (
        "check, silent, end = Check(), Silent(), Done(); start = check; "
        "transitions = (check.passed.to(end), check.failed.to(silent))"
    ),
    "work, bare = Work(), Node(); start = work; transitions = (work.done.to(bare),)",
    (
        "check, undo, a, b, end, gone = Check(), Work(), Work(), Work(), Done(), Failed('gone'); start = check; "
        "transitions = (check.passed.to(end), check.failed.to(undo), undo.done.to(a, b), "
        "a.done.to(gone), b.done.to(gone))"
    ),
    (
        "work, a, end, gone = Work(), Work(), Done(), Failed('gone'); start = work; "
        "transitions = (work.done.to(a, gone), a.done.to(end))"
    ),
    (
        f"{_FANOUT}transitions = (work.done.to(a, b), a.passed.to(join), a.failed.to(end), b.done.to(join), "
        "join.done.to(end))"
    ),
    (
        f"{_FANOUT}away = Done(); transitions = (work.done.to(a, b), a.passed.to(join), a.failed.to(away), "
        "b.done.to(join), join.done.to(end))"
    ),
    "work, one, other = Work(), Done(), Done(); start = work; transitions = (work.done.to(one, other),)",
)
"""Wrong bodies under a good class statement."""

STEPS = (
    "Grant()",
    "Work(Rebate())",
    "class Odd(Step[object]):\n    one = Event()\n    two = one",
    "class Odd(Step[object]):\n    retry = Event()",
    "class Odd(Step[object]):\n    retry = 5",
    "class Odd(Step[object]):\n    timeout = 20",
    "class Odd(Step[object]):\n    runner = 'process'",
    "class Odd(Step[object]):\n    runner = 'thread'\n    async def execute(self, instance, config, context): ...",
    "class Odd(Step[object]):\n    runner = 'asyncio'\n    def execute(self, instance, config, context): ...",
    "RetryPolicy(max_attempts=0)",
    "RetryPolicy(non_retryable=('ValueError',))",
    "Wait(datetime(2026, 12, 24))",
    "Suspend(timeout=timedelta(1), until=datetime(2026, 12, 24))",
    "Suspend(until=datetime(2026, 12, 24))",
    "Suspend(otherwise=elsewhere.done())",
)
"""Wrong steps, nodes and outcomes."""


def refused_workflows() -> list[tuple[str, str]]:
    """What is wrong with each workflow, and the way out; of several problems the one that it was written for."""
    heads = [_problems_of(f"class OrderFlow({head}):\n    {_GOOD}")[0] for head in HEADS]
    return heads + [_problems_of(f"class OrderFlow(Workflow[Order], key='order'):\n    {body}")[0] for body in BODIES]


def refused_steps() -> list[str]:
    """What is said against each wrong step."""
    return [_message_of(step) for step in STEPS]


def refused_together() -> str:
    """The whole error of a workflow with two problems."""
    body = (
        "validate, ship, done = ValidateOrder(), Work(), Done(); start = validate; "
        "transitions = (validate.valid.to(done), ship.done.to(done))"
    )
    try:
        _run(f"class OrderFlow(Workflow[Order], key='order'):\n    {body}")
    except WorkflowDefinitionError as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing is refused")


def _problems_of(source: str) -> list[tuple[str, str]]:
    try:
        _run(source)
    except WorkflowDefinitionError as error:
        return [(problem.what, problem.remedy) for problem in error.problems]
    raise AssertionError(f"nothing is refused of {source}")


def _message_of(source: str) -> str:
    try:
        _run(source)
    except StepDefinitionError as error:
        return str(error)
    raise AssertionError(f"nothing is refused of {source}")


def _run(source: str) -> None:
    # Nobody else wrote what is run here, and type checkers would refuse all of it.
    exec(compile(f"{BEGINNING}\n{source}\n", "shop/order.py", "exec"), {"__name__": "shop.order"})  # noqa: S102
