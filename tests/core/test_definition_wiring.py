"""What class creation refuses about nodes and the table."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

import pytest

from hephaestus_stream import Done, Event, Failed, WaitForEvent, Workflow
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.rule import Rule
from tests.core.flows import Check, Order, Rebate, Work, by_size
from tests.core.refusals import (
    assert_at,
    assert_refused,
    marked_line,
    problem_of,
    problems_of,
    untyped,
)
from workflows.order import OrderFlow


def test_a_start_that_is_no_node_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            start = untyped("work")
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.BAD_START, "start is 'work', which is no node", "without quotes: start = work")


def test_a_start_without_a_name_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            start = Work()  # here
            end = Done()
            transitions = (start.done.to(end),)

    problem = problem_of(make, Rule.UNNAMED_START)
    assert problem.what == "start is Work(...), which has no name in Flow"
    assert "first = Work(...)" in problem.remedy


@pytest.mark.parity(1, 4)
def test_an_event_that_leads_nowhere_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()  # here
            end = Done()
            start = check
            transitions = (check.passed.to(end),)

    assert_refused(make, Rule.UNWIRED_EVENT, "check.failed leads nowhere", "add check.failed.to(...) to transitions")


@pytest.mark.parity(1)
def test_an_event_that_is_wired_twice_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            one = Done()
            other = Done()
            start = work
            transitions = (
                work.done.to(one),  # here
                work.done.to(other),  # again
            )

    problem = problem_of(make, Rule.REWIRED_EVENT)
    assert problem.what == "work.done is wired twice"
    assert ".to(one, other)" in problem.remedy
    [note] = problem.notes
    assert (note.what, note.line) == ("wired again here", marked_line(make, "again"))


def test_a_target_that_is_named_twice_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end, end),)  # here

    assert_refused(make, Rule.REPEATED_TARGET, "work.done leads to end twice", "name it once")


def test_a_row_without_a_target_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()
            end = Done()
            start = check
            transitions = (
                check.passed.to(end),
                check.failed.to(),  # here
            )

    assert_refused(make, Rule.MISSING_TARGET, "check.failed leads to no node", "name the node that comes next")


def test_a_row_that_is_not_finished_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            check = Check()
            end = Done()
            start = check
            transitions = untyped((check.passed.to(end), check.failed))

    problem = problem_of(make, Rule.UNFINISHED_ROW)
    assert problem.what == "transitions holds check.failed, which leads nowhere"
    assert "node.event.to(...)" in problem.remedy
    assert [problem.what for problem in problems_of(make)[1:]] == ["check.failed leads nowhere"]


def test_a_route_without_a_table_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            start = work
            transitions = untyped((work.done.route(by_size),))

    problem = problem_of(make, Rule.UNFINISHED_ROW)
    assert problem.what == "transitions holds work.done.route(...), which leads nowhere"


@pytest.mark.parity(5)
def test_a_target_that_is_no_node_of_the_class_is_refused_once() -> None:
    elsewhere = Work()

    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()
            end = Done()
            start = check
            transitions = (
                check.passed.to(end),
                check.failed.to(elsewhere),  # here
            )

    problem = problem_of(make, Rule.FOREIGN_NODE)
    assert problem.what.startswith("check.failed leads to <Work at ")
    assert "make it an attribute of the class" in problem.remedy


@pytest.mark.parity(1)
def test_a_row_that_starts_from_a_node_of_another_class_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (
                work.done.to(end),
                OrderFlow.pack.packed.to(end),  # here
            )

    problem = problem_of(make, Rule.FOREIGN_NODE)
    assert problem.what == "pack.packed starts from OrderFlow.pack, which is no node of Flow"


def test_a_target_that_is_a_step_class_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()
            end = Done()
            start = check
            transitions = (
                check.passed.to(end),
                check.failed.to(untyped(Work)),  # here
            )

    assert problem_of(make, Rule.BAD_TARGET).what == f"check.failed leads to {Work!r}, which is no node"


def test_a_step_object_under_two_names_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()  # here
            again = work
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    problem = problem_of(make, Rule.SAME_NODE)
    assert problem.what == "work and again are one and the same object"
    assert "again = Work(...)" in problem.remedy


def test_a_step_object_that_stands_in_two_workflows_is_refused() -> None:
    def make() -> None:
        work = Work()  # made

        class First(Workflow[Order], key="order"):
            task = work
            end = Done()
            start = task
            transitions = (work.done.to(end),)

        class Second(Workflow[Order], key="order"):  # here
            job = work
            end = Done()
            start = job
            transitions = (work.done.to(end),)

    [note] = problem_of(make, Rule.SHARED_NODE).notes
    assert (note.what, note.line) == ("the object is made here", marked_line(make, "made"))
    assert_refused(make, Rule.SHARED_NODE, "job already stands in First, as task", "job = Work(...)")


def test_a_subclass_of_a_workflow_that_has_nodes_is_refused() -> None:
    class Parent(Workflow[Order], key="order"):
        work = Work()
        end = Done()
        start = work
        transitions = (work.done.to(end),)

    def make() -> None:
        class Child(Parent, key="order"):  # here
            more = Work()
            end = Done()
            start = more
            transitions = (more.done.to(end),)

    assert_refused(
        make, Rule.INHERITED_WORKFLOW, "Child is a subclass of Parent, which has nodes", "derive from Workflow[...]"
    )


@pytest.mark.parity(1)
def test_all_problems_are_told_at_once_each_with_its_line() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order", version=0):  # version
            check = Check()  # nowhere
            lost = Work()  # lost
            a = Work()
            b = Check()
            one = Done()
            other = Done()
            start = check
            transitions = (
                check.passed.to(a, one),  # apart
                a.done.to(b),
                b.passed.to(other),
                b.failed.to(other),
                lost.done.to(one),
                lost.done.to(other),
            )

    problems = {problem.what: problem for problem in problems_of(make)}
    assert_at(problems["version 0 is no version"], make, "version")
    assert_at(problems["check.failed leads nowhere"], make, "nowhere")
    assert_at(problems["lost cannot be reached from start (check)"], make, "lost")
    [apart] = [problem for what, problem in problems.items() if what.startswith("check.passed opens")]
    assert_at(apart, make, "apart")
    assert "lost.done is wired twice" in problems
    # Taken together, the two rows are a fan-out, and not a good one.
    assert "lost.done opens one and other, which never meet" in problems
    assert len(problems) == 6


@pytest.mark.parity(6)
def test_the_same_step_stands_twice_and_each_node_knows_its_line() -> None:
    def make() -> type[Workflow[Order]]:
        class Flow(Workflow[Order], key="order"):
            one = Work()  # one
            other = Work()  # other
            end = Done()
            start = one
            transitions = (one.done.to(other), other.done.to(end))

        return Flow

    nodes = make().definition.nodes
    assert nodes["one"].location.line == marked_line(make, "one")
    assert nodes["other"].location.line == marked_line(make, "other")


class Named(Work):
    """Has a constructor of its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.called = name


def test_a_node_knows_the_line_that_built_it_not_its_constructors() -> None:
    def make() -> tuple[Node, ...]:
        named = Named("x")  # named
        waiting = WaitForEvent[Rebate](Rebate)  # alias
        failed = Failed("no")  # failed
        return named, waiting, failed

    for node, mark in zip(make(), ("named", "alias", "failed"), strict=True):
        assert node.location.line == marked_line(make, mark)
        assert node.location.file == __file__


@pytest.mark.parity(6)
def test_a_subclass_of_a_step_has_its_events_and_those_it_inherits() -> None:
    class More(Check):
        undecided = Event()

    assert list(More().events()) == ["passed", "failed", "undecided"]
    assert list(Check().events()) == ["passed", "failed"]


def test_an_inherited_event_can_be_taken_back() -> None:
    class Sure(Check):
        failed = untyped(None)

    assert list(Sure().events()) == ["passed"]


def test_a_wait_without_timeout_need_not_lead_on_from_one() -> None:
    class Flow(Workflow[Order], key="order"):
        ask = WaitForEvent[Rebate](Rebate)
        end = Done()
        start = ask
        transitions = (ask.received.to(end),)

    assert list(Flow.definition.events["ask"]) == ["received"]
    assert Flow.definition.external_nodes("received") == ("ask",)
