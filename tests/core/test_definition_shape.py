"""What class creation refuses about the graph as a whole."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

import pytest

from hephaestus_stream import Context, Done, Instance, Outcome, Step, Workflow
from hephaestus_stream.core.limits import MAX_NODES
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.rule import Rule
from tests.core.flows import Check, Order, Work
from tests.core.large import wide_flow
from tests.core.refusals import assert_at, assert_refused, marked_line, problem_of, problems_of


@pytest.mark.parity(1)
def test_a_node_that_cannot_be_reached_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            ship = Work()  # here
            end = Done()
            start = work
            transitions = (
                work.done.to(end),
                ship.done.to(end),
            )

    assert_refused(
        make, Rule.UNREACHABLE_NODE, "ship cannot be reached from start (work)", "lead an event to it, or delete ship"
    )


@pytest.mark.parity(1)
def test_a_cycle_is_refused_at_the_arrow_that_closes_it() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            first = Work()
            a = Work()
            b = Check()
            end = Done()
            start = first
            transitions = (
                first.done.to(a),
                a.done.to(b),  # before
                b.passed.to(end),
                b.failed.to(a),  # here
            )

    [note] = problem_of(make, Rule.CYCLE).notes
    assert (note.what, note.line) == ("a leads to b", marked_line(make, "before"))
    assert_refused(make, Rule.CYCLE, "a -> b -> a is a cycle", "retry within the step")


def test_a_step_that_follows_itself_is_a_cycle() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()
            end = Done()
            start = check
            transitions = (
                check.passed.to(end),
                check.failed.to(check),  # here
            )

    assert_refused(make, Rule.CYCLE, "check -> check is a cycle", "retry within the step")


@pytest.mark.parity(1)
def test_two_cycles_are_told_even_if_one_leads_to_the_other() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            a = Check()
            b = Check()
            end = Done()
            start = a
            transitions = (
                a.passed.to(b),
                a.failed.to(a),  # first
                b.passed.to(end),
                b.failed.to(b),  # second
            )

    one, other = problems_of(make)
    assert (one.what, other.what) == ("a -> a is a cycle", "b -> b is a cycle")
    assert_at(one, make, "first")
    assert_at(other, make, "second")


class Silent(Step[object]):
    """Has no events, so nothing can follow it."""

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        raise NotImplementedError


@pytest.mark.parity(1)
def test_a_path_that_does_not_end_in_an_ending_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()
            silent = Silent()  # here
            end = Done()
            start = check
            transitions = (check.passed.to(end), check.failed.to(silent))

    assert_refused(make, Rule.DEAD_END, "silent ends a path, but is no ending", "lead it to a Done() or a Failed(...)")


def test_a_bare_node_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            bare = Node()  # here
            start = work
            transitions = (work.done.to(bare),)

    assert_refused(
        make,
        Rule.BARE_NODE,
        "bare is a bare Node, neither a step nor an ending",
        "use a Step, a Done() or a Failed(...)",
    )


def test_a_workflow_of_more_nodes_than_a_record_holds_is_refused() -> None:
    def make() -> None:
        wide_flow(MAX_NODES - 1)

    [problem] = [each for each in problems_of(make) if each.rule == Rule.TOO_MANY_NODES]
    assert problem.what == "FanOut has 2,051 nodes, and may have 2,050"
