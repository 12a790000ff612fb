"""What class creation refuses about fan-outs and exits."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

import pytest

from hephaestus_stream import Done, Failed, Workflow
from hephaestus_stream.core.rule import Rule
from tests.core.flows import Check, Order, Work, by_size
from tests.core.refusals import assert_refused, problem_of


@pytest.mark.parity(1)
def test_branches_that_never_meet_are_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            a = Check()
            b = Work()
            one = Done()
            other = Done()
            third = Done()
            start = work
            transitions = (
                work.done.to(a, b),  # here
                a.passed.to(one),
                a.failed.to(third),
                b.done.to(other),
            )

    assert problem_of(make, Rule.NO_MEETING).what == "work.done opens a and b, which never meet"


@pytest.mark.parity(1)
def test_a_fan_out_to_two_endings_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            one = Done()
            other = Done()
            start = work
            transitions = (work.done.to(one, other),)  # here

    assert_refused(make, Rule.NO_MEETING, "work.done opens one and other, which never meet", "a step, or one Done()")


@pytest.mark.parity(1)
def test_branches_that_meet_in_part_before_they_meet_are_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            a = Check()
            b = Work()
            half = Work()
            end = Done()
            start = work
            transitions = (
                work.done.to(a, b),  # here
                a.passed.to(half),
                a.failed.to(end),
                b.done.to(half),
                half.done.to(end),
            )

    assert_refused(
        make,
        Rule.PARTIAL_MEETING,
        "work.done opens a and b, which meet in part at half before they meet at end",
        "lead all paths of both",
    )


@pytest.mark.parity(1)
def test_a_branch_that_leaves_for_an_ending_that_does_not_interrupt_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            a = Check()
            b = Work()
            join = Work()
            away = Done()
            end = Done()
            start = work
            transitions = (
                work.done.to(a, b),  # here
                a.passed.to(join),
                a.failed.to(away),
                b.done.to(join),
                join.done.to(end),
            )

    assert_refused(
        make,
        Rule.BRANCH_LEAVES,
        "work.done opens a and b, but away ends the run without its siblings",
        "away = Done(interrupts=True)",
    )


def test_a_fan_out_in_an_exit_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()
            undo = Work()
            a = Work()
            b = Work()
            end = Done()
            gone = Failed("gone")
            start = check
            transitions = (
                check.passed.to(end),
                check.failed.to(undo),
                undo.done.to(a, b),  # here
                a.done.to(gone),
                b.done.to(gone),
            )

    assert_refused(
        make,
        Rule.FANOUT_IN_EXIT,
        "undo.done is a fan-out, but from undo only interrupting endings can be reached",
        "lead to one node",
    )


def test_a_fan_out_straight_to_an_exit_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            a = Work()
            gone = Failed("gone")
            end = Done()
            start = work
            transitions = (
                work.done.to(a, gone),  # here
                a.done.to(end),
            )

    assert_refused(
        make,
        Rule.BRANCH_IS_EXIT,
        "work.done leads straight to gone, from which only interrupting endings can be reached",
        "lead to gone from inside a branch",
    )


def test_a_label_that_fans_out_obeys_the_same_rules() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            a = Work()
            one = Done()
            other = Done()
            start = work
            transitions = (
                work.done.route(by_size).to({"large": (a, one), "small": one}),  # here
                a.done.to(other),
            )

    assert_refused(make, Rule.NO_MEETING, "work.done[large] opens a and one, which never meet", "a step, or one Done()")


def test_branches_may_meet_at_a_done_and_leave_for_interrupting_endings() -> None:
    class Flow(Workflow[Order], key="order"):
        work = Work()
        a = Check()
        b = Check()
        undo = Work()
        gone = Failed("gone")
        enough = Done(interrupts=True)
        end = Done()
        start = work
        transitions = (
            work.done.to(a, b),
            a.passed.to(end),
            a.failed.to(undo),
            undo.done.to(gone),
            b.passed.to(end),
            b.failed.to(enough),
        )

    assert Flow.definition.graph.exits == {"undo", "gone", "enough"}
    assert [meeting.fanout.branches for meeting in Flow.definition.graph.meetings["end"]] == [("a", "b")]


def test_a_branch_may_lead_straight_to_where_it_meets_the_others() -> None:
    class Flow(Workflow[Order], key="order"):
        work = Work()
        a = Work()
        join = Work()
        end = Done()
        start = work
        transitions = (work.done.to(a, join), a.done.to(join), join.done.to(end))

    assert Flow.definition.graph.meetings["join"]
