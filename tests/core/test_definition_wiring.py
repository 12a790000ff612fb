"""What class creation refuses about nodes and the table."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

import pytest

from hephaestus_stream import Done, Event, Failed, Step, Wait, WaitForEvent, Workflow
from hephaestus_stream.core.node import Node
from hephaestus_stream.errors import StepDefinitionError
from tests.core.flows import Check, Discount, Order, Rebate, Work
from tests.core.refusals import assert_at, assert_refused, marked_line, problems_of, untyped


def test_a_start_that_is_no_node_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            start = untyped("work")
            transitions = (work.done.to(end),)

    assert_refused(make, "start is 'work', which is no node", "start = first")


def test_a_start_without_a_name_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            start = Work()  # here
            end = Done()
            transitions = (start.done.to(end),)

    problems = problems_of(make)
    assert problems[0].what == "start is no node with a name of this class"
    assert "first = Work(...)" in problems[0].remedy
    assert_at(problems[0], make)


def test_an_event_that_leads_nowhere_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()  # here
            end = Done()
            start = check
            transitions = (check.passed.to(end),)

    assert_refused(make, "check.failed leads nowhere", "add check.failed.to(...) to transitions")


def test_an_event_that_is_wired_twice_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            one = Done()
            other = Done()
            start = work
            transitions = (
                work.done.to(one),  # here
                work.done.to(other),
            )

    problems = problems_of(make)
    assert problems[0].what == "work.done is wired twice"
    assert ".to(one, other)" in problems[0].remedy
    assert_at(problems[0], make)


def test_a_target_that_is_named_twice_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end, end),)  # here

    assert_refused(make, "work.done leads to end twice", "name it once")


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

    assert_refused(make, "check.failed leads to no node", "name at least one")


def test_a_row_that_is_not_finished_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            check = Check()
            end = Done()
            start = check
            transitions = untyped((check.passed.to(end), check.failed))

    problems = problems_of(make)
    assert "which leads nowhere" in problems[0].what
    assert "node.event.to(...)" in problems[0].remedy
    assert_at(problems[0], make)
    assert [problem.what for problem in problems[1:]] == ["check.failed leads nowhere"]


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

    [problem] = problems_of(make)
    assert problem.what.startswith("check.failed speaks of <Work at ")
    assert "make it an attribute of the class" in problem.remedy
    assert_at(problem, make)


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

    [problem] = problems_of(make)
    assert problem.what == f"check.failed leads to {Work!r}, which is no node"
    assert_at(problem, make)


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

    assert_refused(make, "ship cannot be reached from start (work)", "lead an event to it, or delete ship")


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
                a.done.to(b),
                b.passed.to(end),
                b.failed.to(a),  # here
            )

    assert_refused(make, "a -> b -> a is a cycle", "retry within the step")


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

    assert_refused(make, "check -> check is a cycle", "retry within the step")


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


def test_a_path_that_does_not_end_in_an_ending_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            check = Check()
            silent = Silent()  # here
            end = Done()
            start = check
            transitions = (check.passed.to(end), check.failed.to(silent))

    assert_refused(make, "silent ends a path, but is no ending", "lead it to a Done() or a Failed(...)")


def test_a_bare_node_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            bare = Node()  # here
            start = work
            transitions = (work.done.to(bare),)

    assert_refused(make, "bare is a bare Node", "use a Step, a Done() or a Failed(...)")


def test_a_step_object_under_two_names_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()  # here
            again = work
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    problems = problems_of(make)
    assert problems[0].what == "work and again are one and the same object"
    assert "again = Work(...)" in problems[0].remedy
    assert_at(problems[0], make)


def test_a_step_object_that_stands_in_two_workflows_is_refused() -> None:
    def make() -> None:
        work = Work()  # here

        class First(Workflow[Order], key="order"):
            task = work
            end = Done()
            start = task
            transitions = (work.done.to(end),)

        class Second(Workflow[Order], key="order"):
            job = work
            end = Done()
            start = job
            transitions = (work.done.to(end),)

    assert_refused(make, "job already stands in First, as task", "job = Work(...)")


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

    assert_refused(make, "Child is a subclass of Parent, which has nodes", "derive from Workflow[...]")


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


def test_a_step_without_its_configuration_is_refused_at_its_line() -> None:
    def make() -> None:
        untyped(Discount)()  # here

    with pytest.raises(StepDefinitionError) as caught:
        make()
    assert "Discount takes a configuration of type Rebate and got none" in str(caught.value)
    assert f"test_definition_wiring.py:{marked_line(make)}" in str(caught.value)


def test_a_step_with_a_configuration_of_another_type_is_refused() -> None:
    with pytest.raises(StepDefinitionError, match="Discount takes a configuration of type Rebate and got Order"):
        Discount(untyped(Order()))


def test_a_configuration_of_a_step_that_takes_none_is_refused() -> None:
    with pytest.raises(StepDefinitionError, match="Work takes no configuration and got Order"):
        Work(untyped(Order()))


def test_a_configuration_that_may_be_one_of_several_types_cannot_be_left_out() -> None:
    with pytest.raises(StepDefinitionError, match="Wait takes a configuration of type"):
        Wait(untyped(None))
