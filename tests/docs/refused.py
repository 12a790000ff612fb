"""Everything that class creation refuses, each made once: the page of the workflows shows what was really said."""

from __future__ import annotations

from collections.abc import Mapping

from hephaestus_stream import StepDefinitionError, WorkflowDefinitionError
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import Problem, UnknownEventError

BEGINNING = """
from datetime import UTC, datetime, timedelta
from typing import Literal
from pydantic import BaseModel
from hephaestus_stream import *
from hephaestus_stream.core.node import Node
async def work(self, instance, config, context): ...
class Order(BaseModel): ...
class Invoice(BaseModel): ...
class Rebate(BaseModel): ...
class Unreadable: ...
class Work(Step[object]): execute = work; done = Event()
class Check(Step[object]): execute = work; passed, failed = Event(), Event()
class Bill(Step[Invoice]): execute = work; done = Event()
class Grant(Step[object, Rebate]): execute = work; done = Event()
class ValidateOrder(Step[object]): execute = work; valid, invalid = Event(), Event()
class Silent(Step[object]): execute = work
class Idle(Step[object]): done = Event()
class Narrow(Idle): execute = lambda self, context: self.done()
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
_PLAIN = "work, end = Work(), Done(); start = work; "
_FANOUT = "work, a, b, join, end = Work(), Check(), Work(), Work(), Done(); start = work; "


def _head(head: str) -> str:
    """A wrong class statement over a good body."""
    return f"class OrderFlow({head}):\n    {_GOOD}"


def _body(body: str) -> str:
    """A wrong body under a good class statement."""
    return f"class OrderFlow(Workflow[Order], key='order'):\n    {body}"


def _step(attribute: str, execute: str = "") -> str:
    """A wrong step class."""
    return f"class Odd(Step[object]):\n    {attribute}\n    {execute}"


MISTAKES: Mapping[Rule, tuple[str, ...]] = {
    Rule.MISSING_KEY: (_head("Workflow[Order]"),),
    Rule.BAD_KEY: (_head("Workflow[Order], key='a::b'"),),
    Rule.BAD_NAME: (_head("Workflow[Order], key='order', name='Order Flow'"),),
    Rule.BAD_VERSION: (_head("Workflow[Order], key='order', version=0"),),
    Rule.BAD_CURRENT: (_head("Workflow[Order], key='order', current='no'"),),
    Rule.BAD_SCOPE: (
        _head("Workflow[Order], key='order', scope='galaxy'"),
        _head("Workflow[Order], key='order', scope='globl'"),
    ),
    Rule.BAD_REUSE: (_head("Workflow[Order], key='order', reuse='sometimes'"),),
    Rule.BAD_RETENTION: (_head("Workflow[Order], key='order', retention=timedelta(0)"),),
    Rule.BAD_TAGS: (_head("Workflow[Order], key='order', tags='sales'"),),
    Rule.BAD_RETRY: (_head("Workflow[Order], key='order', retry=5"),),
    Rule.BAD_METADATA: (_head("Workflow[Order], key='order', metadata={'since': timedelta(1)}"),),
    Rule.UNKNOWN_KEYWORD: (
        _head("Workflow[Order], key='order', nmae='Orders'"),
        _head("Workflow[Order], key='order', colour='red'"),
    ),
    Rule.MISSING_INPUT: (_head("Workflow, key='order'"),),
    Rule.UNREADABLE_INPUT: (_head("Workflow[Unreadable], key='order'"),),
    Rule.INHERITED_WORKFLOW: (_head("First, key='order'"),),
    Rule.RESERVED_NAME: (
        _body(f"definition = 'how we ship'; {_GOOD}"),
        _body("work = definition = Work(); end = Done(); start = work; transitions = (work.done.to(end),)"),
    ),
    Rule.BAD_NODE_NAME: (_body("_work, end = Work(), Done(); start = _work; transitions = (_work.done.to(end),)"),),
    Rule.SAME_NODE: (_body("work = again = Work(); end = Done(); start = work; transitions = (work.done.to(end),)"),),
    Rule.SHARED_NODE: (_body("work, end = First.task, Done(); start = work; transitions = (work.done.to(end),)"),),
    Rule.BARE_NODE: (_body("work, bare = Work(), Node(); start = work; transitions = (work.done.to(bare),)"),),
    Rule.OTHER_INPUT: (_body("bill, end = Bill(), Done(); start = bill; transitions = (bill.done.to(end),)"),),
    Rule.UNREADABLE_PAYLOAD: (
        _body("wait, end = WaitForEvent(Unreadable), Done(); start = wait; transitions = (wait.received.to(end),)"),
    ),
    Rule.MISSING_EXECUTE: (_body("idle, end = Idle(), Done(); start = idle; transitions = (idle.done.to(end),)"),),
    Rule.BAD_EXECUTE: (_body("work, end = Narrow(), Done(); start = work; transitions = (work.done.to(end),)"),),
    Rule.TOO_MANY_NODES: (_body(f"{_GOOD}; vars().update((f'n{{each}}', Work()) for each in range(2_050))"),),
    Rule.MISSING_START: (_body("work, end = Work(), Done(); transitions = (work.done.to(end),)"),),
    Rule.BAD_START: (_body("work, end = Work(), Done(); start = 'work'; transitions = (work.done.to(end),)"),),
    Rule.UNNAMED_START: (_body("start = Work(); end = Done(); transitions = (start.done.to(end),)"),),
    Rule.MISSING_TRANSITIONS: (_body("work, end = Work(), Done(); start = work"),),
    Rule.BAD_TRANSITIONS: (_body("work, end = Work(), Done(); start = work; transitions = work.done.to(end)"),),
    Rule.UNFINISHED_ROW: (
        _body("work, end = Check(), Done(); start = work; transitions = (work.passed.to(end), work.failed)"),
    ),
    Rule.BAD_TARGET: (
        _body("work, end = Check(), Done(); start = work; transitions = (work.passed.to(end), work.failed.to(Work))"),
    ),
    Rule.FOREIGN_NODE: (
        _body(
            "work, end = Check(), Done(); start = work; "
            "transitions = (work.passed.to(end), work.failed.to(elsewhere), First.task.done.to(end))"
        ),
    ),
    Rule.UNKNOWN_EVENT: (
        _body("check, end = Check(), Done(); start = check; transitions = (check.pased.to(end),)"),
        _body("work, end = Work(), Done(); start = work; transitions = (work.paid.to(end),)"),
    ),
    Rule.UNWIRED_EVENT: (_body("check, end = Check(), Done(); start = check; transitions = (check.passed.to(end),)"),),
    Rule.REWIRED_EVENT: (
        _body("work, end = Work(), Done(); start = work; transitions = (work.done.to(end), work.done.to(end))"),
    ),
    Rule.MISSING_TARGET: (
        _body(
            "check, end = Check(), Done(); start = check; transitions = (check.passed.to(end), check.failed.to())",
        ),
    ),
    Rule.REPEATED_TARGET: (_body("work, end = Work(), Done(); start = work; transitions = (work.done.to(end, end),)"),),
    Rule.UNLABELLED_ROUTE: (
        _body(f"{_PLAIN}transitions = (work.done.route(by_nothing).to({{'large': end}}),)"),
        _body(f"{_PLAIN}transitions = (work.done.route(lambda context: 'large').to({{'large': end}}),)"),
    ),
    Rule.MISSING_LABEL: (_body(f"{_PLAIN}transitions = (work.done.route(by_size).to({{'large': end}}),)"),),
    Rule.UNKNOWN_LABEL: (
        _body(
            f"{_PLAIN}transitions = (work.done.route(by_size).to({{'large': end, 'small': end, 'huge': end}}),)",
        ),
    ),
    Rule.CYCLE: (
        _body(
            "a, b, end = Work(), Check(), Done(); start = a; "
            "transitions = (a.done.to(b), b.passed.to(end), b.failed.to(a))"
        ),
    ),
    Rule.UNREACHABLE_NODE: (
        _body(
            "work, ship, end = Work(), Work(), Done(); start = work; "
            "transitions = (work.done.to(end), ship.done.to(end))"
        ),
    ),
    Rule.DEAD_END: (
        _body(
            "check, silent, end = Check(), Silent(), Done(); start = check; "
            "transitions = (check.passed.to(end), check.failed.to(silent))"
        ),
    ),
    Rule.FANOUT_IN_EXIT: (
        _body(
            "check, undo, a, b, end, gone = Check(), Work(), Work(), Work(), Done(), Failed('gone'); start = check; "
            "transitions = (check.passed.to(end), check.failed.to(undo), undo.done.to(a, b), "
            "a.done.to(gone), b.done.to(gone))"
        ),
    ),
    Rule.BRANCH_IS_EXIT: (
        _body(
            "work, a, end, gone = Work(), Work(), Done(), Failed('gone'); start = work; "
            "transitions = (work.done.to(a, gone), a.done.to(end))"
        ),
    ),
    Rule.PARTIAL_MEETING: (
        _body(
            f"{_FANOUT}transitions = (work.done.to(a, b), a.passed.to(join), a.failed.to(end), b.done.to(join), "
            "join.done.to(end))"
        ),
    ),
    Rule.BRANCH_LEAVES: (
        _body(
            f"{_FANOUT}away = Done(); transitions = (work.done.to(a, b), a.passed.to(join), a.failed.to(away), "
            "b.done.to(join), join.done.to(end))"
        ),
    ),
    Rule.NO_MEETING: (
        _body("work, one, other = Work(), Done(), Done(); start = work; transitions = (work.done.to(one, other),)"),
    ),
    Rule.BAD_CONFIGURATION: ("Grant()", "Work(Rebate())"),
    Rule.SHARED_EVENT: (_step("one = Event()", "two = one"),),
    Rule.RESERVED_EVENT: (_step("retry = Event()"),),
    Rule.BAD_STEP_RETRY: (_step("retry = 5"),),
    Rule.BAD_TIMEOUT: (_step("timeout = 20"),),
    Rule.BAD_RUNNER: (
        _step("runner = 'fibre'"),
        _step("runner = 'thread'", "async def execute(self, instance, config, context): ..."),
        _step("runner = 'asyncio'", "def execute(self, instance, config, context): ..."),
    ),
    Rule.BAD_RETRY_POLICY: ("RetryPolicy(max_attempts=0, jitter=2)", "RetryPolicy(non_retryable=('ValueError',))"),
    Rule.BAD_WAIT: ("Wait(datetime(2026, 12, 24))",),
    Rule.BAD_SUSPEND: (
        "Suspend(timeout=20)",
        "Suspend(timeout=timedelta(1), until=datetime.now(UTC))",
        "Suspend(until=datetime(2026, 12, 24))",
        "Suspend(otherwise='expired')",
        "Suspend(otherwise=elsewhere.done())",
    ),
}
"""For each rule what breaks it."""

OF_THE_COMMAND = frozenset({Rule.FAILED_IMPORT, Rule.DUPLICATE_WORKFLOW})
"""What only `hephaestus check` can tell, since it looks at a whole module: the tests of the command make it."""


def refusals(rule: Rule) -> list[str]:
    """What is said against each mistake of a rule; a mistake may break other rules as well."""
    return [str(problem) for source in MISTAKES[rule] for problem in problems_of(source) if problem.rule == rule]


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


def problems_of(source: str) -> tuple[Problem, ...]:
    """All that is said against a mistake."""
    try:
        _run(source)
    except UnknownEventError as error:
        return (error.problem,)
    except WorkflowDefinitionError as error:
        return error.problems
    except StepDefinitionError as error:
        return () if error.problem is None else (error.problem,)
    raise AssertionError(f"nothing is refused of {source}")


def _run(source: str) -> None:
    # Nobody else wrote what is run here, and type checkers would refuse all of it.
    exec(compile(f"{BEGINNING}\n{source}\n", "shop/order.py", "exec"), {"__name__": "shop.order"})  # noqa: S102
