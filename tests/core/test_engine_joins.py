"""Fan-out, fan-in, branches, routes and endings."""

from __future__ import annotations

import pytest

from hephaestus_stream import Done, Failed, Workflow
from hephaestus_stream.core.decision import Choose, ClearTimer, PublishCompletion, PublishResult, RunStep, StopStep
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import Cancel, Start
from hephaestus_stream.errors import EngineError
from tests.core.flows import Ask, Check, Work, by_size
from tests.core.play import BEGIN, Play


class Diamond(Workflow[None], key="order"):
    first = Work()
    a = Check()
    b = Work()
    join = Work()
    end = Done()
    declined = Failed("declined")
    start = first
    transitions = (
        first.done.to(a, b),
        a.passed.to(join),
        a.failed.to(declined),
        b.done.to(join),
        join.done.to(end),
    )


def test_a_start_is_accepted_and_starts_the_first_node() -> None:
    play = Play(Diamond)
    assert play.told() == [("started", None), ("step_started", "first")]
    assert play.effects(RunStep) == [RunStep("first", 1)]
    assert play.status == "running"


@pytest.mark.parity(3)
def test_a_fan_out_starts_all_its_branches_at_once() -> None:
    play = Play(Diamond)
    play.emit("first")
    assert play.effects(RunStep) == [RunStep("a", 1), RunStep("b", 1)]
    assert play.active == {"a", "b"}


@pytest.mark.parity(3)
def test_a_fan_in_waits_for_all_branches_and_starts_once() -> None:
    play = Play(Diamond)
    play.emit("first")
    play.emit("b")
    assert play.active == {"a"}
    play.emit("a", "passed")
    assert play.effects(RunStep) == [RunStep("join", 1)]
    assert ("node_dead", "declined") in play.told()
    play.emit("join")
    assert (play.status, play.state.ended_at) == ("completed", "end")
    assert play.told()[-1] == ("completed", "end")
    assert play.effects(PublishCompletion) == [PublishCompletion(play.state.sequence)]


@pytest.mark.parity(14)
def test_an_interrupting_ending_stops_what_runs_beside_it() -> None:
    play = Play(Diamond)
    play.emit("first")
    play.emit("a", "failed")
    assert play.effects(StopStep) == [StopStep("b", 1)]
    assert play.statuses["b"] == "interrupted"
    assert (play.status, play.state.ended_at) == ("failed", "declined")
    assert play.state.error is not None
    assert play.state.error.message == "declined"
    assert play.told()[-2:] == [("interrupted", "b"), ("failed", "declined")]


@pytest.mark.parity(7)
def test_a_result_is_published_with_the_sequence_of_its_history_event() -> None:
    play = Play(Diamond)
    play.emit("first", payload=b'{"a":1}')
    [result] = play.effects(PublishResult)
    [told] = [told for told in play.decision.history if told.type == "step_completed"]
    assert (result.sequence, result.node, result.reported.payload) == (told.sequence, "first", b'{"a":1}')


class Merge(Workflow[None], key="order"):
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


@pytest.mark.parity(3, 4)
def test_a_merge_after_a_branch_starts_once() -> None:
    play = Play(Merge)
    play.emit("check", "failed")
    assert play.statuses["a"] == "dead"
    play.emit("b")
    assert play.effects(RunStep) == [RunStep("after", 1)]
    play.emit("after")
    assert play.state.ended_at == "end"


class Nested(Workflow[None], key="order"):
    first = Work()
    a = Work()
    a1 = Work()
    a2 = Work()
    b = Work()
    join = Work()
    end = Done()
    start = first
    transitions = (
        first.done.to(a, b),
        a.done.to(a1, a2),
        a1.done.to(join),
        a2.done.to(join),
        b.done.to(join),
        join.done.to(end),
    )


@pytest.mark.parity(3)
@pytest.mark.parametrize("last", ["a1", "a2", "b"])
def test_nested_fan_outs_meet_at_one_node_that_waits_for_every_branch(last: str) -> None:
    play = Play(Nested)
    play.emit("first")
    play.emit("a")
    for node in {"a1", "a2", "b"} - {last}:
        play.emit(node)
        assert "join" not in play.state.nodes
    play.emit(last)
    assert play.active == {"join"}


class Leaving(Workflow[None], key="order"):
    first = Work()
    a = Check()
    b = Check()
    undo = Work()
    gone = Failed("gone")
    end = Done()
    enough = Done(interrupts=True)
    c = Check()
    start = first
    transitions = (
        first.done.to(a, b, c),
        a.passed.to(end),
        a.failed.to(undo),
        b.passed.to(end),
        b.failed.to(undo),
        undo.done.to(gone),
        c.passed.to(end),
        c.failed.to(enough),
    )


def test_an_exit_starts_at_its_first_taken_edge_and_once() -> None:
    play = Play(Leaving)
    play.emit("first")
    play.emit("a", "failed")
    assert play.effects(RunStep) == [RunStep("undo", 1)]
    assert play.state.nodes["undo"].entered_from == "a"
    play.emit("b", "failed")
    assert play.effects(RunStep) == []
    play.emit("undo")
    assert (play.status, play.state.ended_at) == ("failed", "gone")
    assert play.statuses["c"] == "interrupted"


def test_a_join_whose_branch_has_left_for_an_exit_dies_and_the_exit_goes_on() -> None:
    play = Play(Leaving)
    play.emit("first")
    play.emit("a", "failed")
    play.emit("b", "passed")
    play.emit("c", "passed")
    assert play.statuses["end"] == "dead"
    assert play.active == {"undo"}
    play.emit("undo")
    assert play.state.ended_at == "gone"


def test_an_exit_is_dead_only_when_its_last_edge_is() -> None:
    play = Play(Leaving)
    play.emit("first")
    play.emit("a", "passed")
    assert "undo" not in play.state.nodes
    play.emit("b", "passed")
    assert play.statuses["undo"] == "dead"
    assert play.statuses["gone"] == "dead"


@pytest.mark.parity(14)
def test_a_done_that_interrupts_completes_the_run_and_stops_its_siblings() -> None:
    play = Play(Leaving)
    play.emit("first")
    play.emit("c", "failed")
    assert (play.status, play.state.ended_at) == ("completed", "enough")
    assert [effect.node for effect in play.effects(StopStep)] == ["a", "b"]


def test_what_is_dead_at_the_end_does_not_depend_on_who_ended_last() -> None:
    ends: list[dict[str, str]] = []
    for order in (("a", "b", "c"), ("c", "b", "a")):
        play = Play(Leaving)
        play.emit("first")
        for node in order:
            play.emit(node, "passed")
        ends.append(dict(sorted(play.statuses.items())))
    assert ends[0] == ends[1]


def test_an_interrupting_ending_clears_the_timers_of_its_siblings() -> None:
    play = Play(Diamond)
    play.emit("first")
    play.fail("b")
    due_at = play.state.nodes["b"].due_at
    assert due_at is not None
    play.emit("a", "failed")
    assert play.effects(ClearTimer) == [ClearTimer("b", 1, "retry", due_at)]
    assert play.state.nodes["b"].due_at is None


class Routed(Workflow[None], key="order"):
    work = Work()
    a = Work()
    b = Work()
    ask = Ask()
    end = Done()
    start = work
    transitions = (
        work.done.route(by_size).to({"large": (a, b), "small": ask}),
        a.done.to(end),
        b.done.to(end),
        ask.answered.to(end),
        ask.withdrawn.to(end),
        ask.gave_up.to(end),
    )


@pytest.mark.parity(5)
def test_a_route_is_asked_and_its_label_decides() -> None:
    play = Play(Routed)
    play.emit("work")
    assert play.effects(Choose) == [Choose("work", "done")]
    assert play.active == {"work"}
    play.choose("work", "large")
    assert play.effects(RunStep) == [RunStep("a", 1), RunStep("b", 1)]
    assert play.statuses["ask"] == "dead"
    [told] = [told for told in play.decision.history if told.type == "routed"]
    assert (told.node, told.event, told.details) == ("work", "done", {"label": "large"})


@pytest.mark.parity(5)
def test_a_label_that_the_table_lacks_fails_the_node_and_the_run() -> None:
    play = Play(Routed)
    play.emit("work")
    play.choose("work", "huge")
    assert (play.status, play.state.ended_at) == ("failed", "work")
    assert play.state.error is not None
    assert play.state.error.type == "UnknownLabel"
    assert "declared are large, small" in play.state.error.message


@pytest.mark.parity(5)
def test_a_routing_function_that_raises_fails_its_node() -> None:
    play = Play(Routed)
    play.emit("work")
    play.fail_choice("work")
    assert (play.status, play.statuses["work"]) == ("failed", "failed")


@pytest.mark.parametrize("node", ["work", "a", "nobody"])
def test_an_answer_to_a_question_that_nobody_asked_changes_nothing(node: str) -> None:
    play = Play(Routed)
    before = play.state
    play.choose(node, "large")
    play.fail_choice(node)
    assert play.state is before


def test_the_engine_refuses_a_second_start_and_an_input_without_a_run() -> None:
    play = Play(Routed)
    with pytest.raises(EngineError, match="order::1 has the run run-1 already"):
        play.tell(Start("order::1", "run-2", b"null"))
    with pytest.raises(EngineError, match="Cancel needs a run"):
        apply(Routed.definition, None, Cancel("c"), now=BEGIN)
