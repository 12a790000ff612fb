"""What a step sees of its run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pytest

from hephaestus_stream import (
    AmbiguousResultError,
    Context,
    Done,
    Failed,
    MissingResultError,
    StepResult,
    Workflow,
)
from hephaestus_stream.core.context import StepResults
from hephaestus_stream.core.visible import visible_nodes
from tests.core.flows import Check, Discount, Order, Rebate, Work
from tests.core.play import Play


class Flow(Workflow[Order], key="order"):
    summer = Discount(Rebate(percent=5))
    winter = Discount(Rebate(percent=10))
    check = Check()
    end = Done()
    start = summer
    transitions = (
        summer.granted.to(winter),
        winter.granted.to(check),
        check.passed.to(end),
        check.failed.to(end),
    )


def granted(node: str, percent: int) -> StepResult:
    return StepResult(node, "granted", Discount.granted, Rebate(percent=percent), {}, 1)


def context(*results: StepResult) -> Context[Order]:
    return Context(Order(), "order::1/run-1/node", 1, StepResults(Given({result.node: result for result in results})))


@dataclass(frozen=True)
class Given:
    """Results that stand in no record; some cannot be decoded."""

    results: dict[str, StepResult]
    undecodable: frozenset[str] = frozenset()

    def visible(self) -> Collection[str]:
        return self.results

    def source(self, node: str) -> object:
        return self.results[node].source

    def read(self, node: str) -> StepResult:
        assert node not in self.undecodable
        return self.results[node]


@pytest.mark.parity(7, 9)
def test_a_result_is_read_by_its_node() -> None:
    both = context(granted("summer", 5), granted("winter", 10))
    assert both.result(Flow.winter.granted).percent == 10
    assert both.steps["summer"].payload == Rebate(percent=5)


@pytest.mark.parity(9)
def test_a_result_is_read_by_its_step_where_one_node_emitted_it() -> None:
    assert context(granted("winter", 10)).result(Discount.granted) == Rebate(percent=10)


@pytest.mark.parity(9)
def test_a_result_of_several_nodes_is_ambiguous() -> None:
    with pytest.raises(
        AmbiguousResultError, match=r"emitted by summer, winter; ask by node, as Flow.summer.gr"
    ) as caught:
        context(granted("summer", 5), granted("winter", 10)).result(Discount.granted)
    assert caught.value.nodes == ("summer", "winter")


@pytest.mark.parity(9)
def test_a_result_that_is_not_visible_is_missing() -> None:
    with pytest.raises(MissingResultError) as caught:
        context(granted("summer", 5)).result(Flow.winter.granted)
    assert str(caught.value) == "no result of a node 'winter' is visible here; visible are summer"
    with pytest.raises(MissingResultError, match="no node before this one emitted 'granted'; visible are none"):
        context().result(Discount.granted)


def test_a_node_that_ended_with_another_event_has_no_such_result() -> None:
    passed = StepResult("check", "passed", Check.passed, None, {}, 1)
    with pytest.raises(MissingResultError, match="'check' ended with 'passed', not with 'failed'"):
        context(passed).result(Flow.check.failed)


def test_the_steps_of_a_context_are_a_mapping_like_any_other() -> None:
    steps = context(granted("summer", 5)).steps
    assert steps.get("winter") is None
    assert "summer" in steps
    assert list(steps) == ["summer"]


def test_a_result_is_decoded_only_when_it_is_asked_for() -> None:
    check = StepResult("check", "passed", Check.passed, None, {}, 1)
    given = Given({"check": check, "winter": granted("winter", 10)}, undecodable=frozenset({"check"}))
    context = Context(Order(), "order::1/run-1/node", 1, StepResults(given))

    assert "check" in context.steps
    assert context.steps["winter"].payload == Rebate(percent=10)
    assert context.result(Discount.granted) == Rebate(percent=10)


def test_a_context_made_by_hand_may_have_its_results_in_a_dict() -> None:
    context = Context(Order(), "order::1/run-1/node", steps={"winter": granted("winter", 10)})

    assert context.result(Discount.granted) == Rebate(percent=10)
    assert context.result(Flow.winter.granted) == Rebate(percent=10)


class Beside(Workflow[None], key="order"):
    first = Work()
    a = Check()
    a2 = Work()
    b = Check()
    undo = Work()
    tell = Work()
    gone = Failed("gone")
    end = Done()
    start = first
    transitions = (
        first.done.to(a, b),
        a.passed.to(a2),
        a2.done.to(end),
        a.failed.to(undo),
        b.passed.to(end),
        b.failed.to(undo),
        undo.done.to(tell),
        tell.done.to(gone),
    )


def seen(play: Play, node: str) -> list[str]:
    return list(visible_nodes(play.definition.graph, play.state.nodes, node))


@pytest.mark.parity(9)
def test_a_node_sees_its_ancestors_and_not_what_runs_beside_it() -> None:
    play = Play(Beside)
    play.emit("first")
    play.emit("b", "passed")
    play.emit("a", "passed")
    assert seen(play, "first") == []
    assert seen(play, "a2") == ["first", "a"]


@pytest.mark.parity(9)
def test_an_exit_sees_the_node_that_it_was_entered_from_and_what_that_saw() -> None:
    play = Play(Beside)
    play.emit("first")
    play.emit("a", "passed")
    play.emit("b", "failed")
    assert seen(play, "undo") == ["first", "b"]
    play.emit("undo")
    assert seen(play, "tell") == ["first", "b", "undo"]


@pytest.mark.parity(9)
def test_a_dead_ancestor_has_no_result_to_see() -> None:
    class Branch(Workflow[None], key="order"):
        check = Check()
        a = Work()
        b = Work()
        after = Work()
        end = Done()
        start = check
        transitions = (
            check.passed.to(a),
            check.failed.to(b),
            a.done.to(after),
            b.done.to(after),
            after.done.to(end),
        )

    play = Play(Branch)
    play.emit("check", "passed")
    play.emit("a")
    assert seen(play, "after") == ["check", "a"]
