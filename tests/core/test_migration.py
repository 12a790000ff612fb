"""A run moves to another version of its workflow, where it could have come to be as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import msgspec
import pytest

from hephaestus_stream import Context, Done, Failed, Wait, WaitForEvent, Workflow
from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.decision import RunStep, StopStep
from hephaestus_stream.core.input import Migrate
from hephaestus_stream.core.state import Reported
from hephaestus_stream.core.visible import visible_nodes
from tests.core.flows import Ask, Check, Work
from tests.core.play import Play

HOUR = timedelta(hours=1)


class First(Workflow[None], key="order", name="Flow"):
    """One path: check, then work beside a question, then an end."""

    check = Check()
    work = Work()
    ask = Ask()
    last = Work()
    done = Done()
    refused = Done()
    start = check
    transitions = (
        check.passed.to(work, ask),
        check.failed.to(refused),
        work.done.to(last),
        ask.answered.to(last),
        ask.withdrawn.to(last),
        ask.gave_up.to(last),
        last.done.to(done),
    )


def moved(play: Play, flow: type[Workflow[None]]) -> Accepted | Refused | None:
    """What a run is told that is to move to the version of a class."""
    play.definition = flow.definition
    return play.tell(Migrate("command-1")).answer


def halfway() -> Play:
    """A run whose question waits, and whose work is being done."""
    play = Play(First)
    play.emit("check", "passed")
    play.suspend("ask", timeout=HOUR, otherwise=Reported("gave_up"))
    return play


class Longer(Workflow[None], key="order", name="Flow", version=2):
    """Has a step more where the run has not come yet."""

    check = Check()
    work = Work()
    ask = Ask()
    last = Work()
    more = Work()
    done = Done()
    refused = Done()
    start = check
    transitions = (
        check.passed.to(work, ask),
        check.failed.to(refused),
        work.done.to(last),
        ask.answered.to(last),
        ask.withdrawn.to(last),
        ask.gave_up.to(last),
        last.done.to(more),
        more.done.to(done),
    )


@pytest.mark.parity(19)
def test_a_run_goes_on_by_the_graph_that_it_moved_to() -> None:
    play = halfway()

    assert moved(play, Longer) == Accepted("applied", "from version 1 to 2")

    assert play.state.version == 2
    assert play.told()[0] == ("migrated", None)
    assert play.decision.history[0].details == {"command": "command-1", "from": 1, "to": 2}
    play.emit("work", attempt=2)
    play.resume("ask", "withdrawn")
    play.emit("last")
    assert play.active == {"more"}


def test_a_running_step_is_stopped_and_begins_its_next_attempt_in_the_new_version() -> None:
    play = halfway()

    moved(play, Longer)

    assert play.effects(StopStep) == [StopStep("work", 1)]
    assert play.effects(RunStep) == [RunStep("work", 2)]
    play.emit("work", attempt=1)  # what the stopped attempt said after all
    assert play.told() == [("outcome_ignored", "work")]


def test_a_wait_keeps_its_due_time() -> None:
    play = halfway()
    due_at = play.state.nodes["ask"].due_at
    play.now += timedelta(minutes=30)

    moved(play, Longer)

    assert play.state.nodes["ask"].due_at == due_at
    play.emit("work", attempt=2)
    play.fire("ask", "wait")
    assert play.active == {"last"}


def test_a_run_that_is_in_the_version_already_is_left_alone() -> None:
    play = halfway()
    sequence = play.state.sequence
    assert moved(play, First) == Accepted("existing")
    assert play.state.sequence == sequence


def test_an_ended_run_does_not_move() -> None:
    play = Play(First)
    play.emit("check", "failed")
    answer = moved(play, Longer)
    assert isinstance(answer, Refused)
    assert answer.reason == "ended"


class Earlier(Workflow[None], key="order", name="Flow", version=2):
    """Has a step more where the run has passed already."""

    check = Check()
    audit = Work()
    work = Work()
    ask = Ask()
    last = Work()
    done = Done()
    refused = Done()
    start = check
    transitions = (
        check.passed.to(audit),
        audit.done.to(work, ask),
        check.failed.to(refused),
        work.done.to(last),
        ask.answered.to(last),
        ask.withdrawn.to(last),
        ask.gave_up.to(last),
        last.done.to(done),
    )


class Without(Workflow[None], key="order", name="Flow", version=2):
    """Does not ask any more."""

    check = Check()
    work = Work()
    last = Work()
    done = Done()
    refused = Done()
    start = check
    transitions = (
        check.passed.to(work),
        check.failed.to(refused),
        work.done.to(last),
        last.done.to(done),
    )


class Otherwise(Workflow[None], key="order", name="Flow", version=2):
    """Waits for something else under the old name."""

    check = Check()
    work = Work()
    ask = WaitForEvent(timeout=HOUR)
    last = Work()
    done = Done()
    refused = Done()
    start = check
    transitions = (
        check.passed.to(work, ask),
        check.failed.to(refused),
        work.done.to(last),
        ask.received.to(last),
        ask.timed_out.to(last),
        last.done.to(done),
    )


class Reaching(Workflow[None], key="order", name="Flow", version=2):
    """Would let the run still come to an ending that is out of its reach."""

    check = Check()
    work = Work()
    ask = Ask()
    last = Check()
    done = Done()
    refused = Done()
    start = check
    transitions = (
        check.passed.to(work, ask),
        check.failed.to(refused),
        work.done.to(last),
        ask.answered.to(last),
        ask.withdrawn.to(last),
        ask.gave_up.to(last),
        last.passed.to(done),
        last.failed.to(refused),
    )


@pytest.mark.parity(19)
@pytest.mark.parametrize(
    ("flow", "obstacles"),
    [
        (Earlier, ("'audit' would have been started before", "'ask' is waiting, and could not have been started yet")),
        (Without, ("'ask' is waiting, and there is no such step",)),
        (Otherwise, ("'ask' has no event 'gave_up'",)),
        (Reaching, ("'refused' can no longer be reached, and there it could",)),
    ],
)
def test_a_version_is_refused_with_all_that_stands_against_it(
    flow: type[Workflow[None]], obstacles: tuple[str, ...]
) -> None:
    play = halfway()
    before = play.state

    answer = moved(play, flow)

    assert isinstance(answer, Refused)
    assert answer.reason == "incompatible_version"
    for obstacle in obstacles:
        assert obstacle in answer.message
    assert (play.state.version, play.state.nodes) == (1, before.nodes)
    assert play.told() == [("migration_refused", None)]


def test_what_no_model_can_read_is_refused() -> None:
    play = halfway()
    play.definition = Longer.definition
    answer = play.tell(Migrate("command-1", problem="the input: quantity: it is missing")).answer
    assert isinstance(answer, Refused)
    assert "quantity: it is missing" in answer.message


def test_a_node_that_came_with_the_version_and_is_out_of_reach_is_dead() -> None:
    class Rejecting(Workflow[None], key="order", name="Flow", version=2):
        check = Check()
        appeal = Work()
        work = Work()
        ask = Ask()
        last = Work()
        done = Done()
        refused = Done()
        start = check
        transitions = (
            check.passed.to(work, ask),
            check.failed.to(appeal),
            appeal.done.to(refused),
            work.done.to(last),
            ask.answered.to(last),
            ask.withdrawn.to(last),
            ask.gave_up.to(last),
            last.done.to(done),
        )

    play = halfway()

    assert isinstance(moved(play, Rejecting), Accepted)

    assert play.statuses["appeal"] == "dead"
    assert ("node_dead", "appeal") in play.told()


def test_early_events_that_the_version_does_not_take_are_dropped() -> None:
    class Timed(Workflow[None], key="order", name="Timed"):
        work = Work()
        ask = Ask()
        done = Done()
        start = work
        transitions = (
            work.done.to(ask),
            ask.answered.to(done),
            ask.withdrawn.to(done),
            ask.gave_up.to(done),
        )

    class Slow(Workflow[None], key="order", name="Timed", version=2):
        work = Work()
        ask = Wait(HOUR)
        done = Done()
        start = work
        transitions = (work.done.to(ask), ask.elapsed.to(done))

    play = Play(Timed)
    play.resume("ask", "withdrawn")

    moved(play, Slow)

    assert ("event_dropped", "ask") in play.told()
    assert (play.state.early, play.state.payload_bytes) == ((), 4)


def test_a_route_must_have_had_the_label_that_was_chosen() -> None:
    class Old(Workflow[None], key="order", name="Routed"):
        work = Work()
        large = Work()
        small = Work()
        done = Done()
        start = work
        transitions = (
            work.done.route(by_anything).to({"large": large, "small": small}),
            large.done.to(done),
            small.done.to(done),
        )

    class New(Workflow[None], key="order", name="Routed", version=2):
        work = Work()
        large = Work()
        done = Done()
        start = work
        transitions = (work.done.to(large), large.done.to(done))

    play = Play(Old)
    play.emit("work")
    play.choose("work", "large")

    answer = moved(play, New)

    assert isinstance(answer, Refused)
    assert "work.done has no label 'large'" in answer.message


def test_an_exit_that_runs_goes_on_as_one() -> None:
    class Leaving(Workflow[None], key="order", name="Leaving"):
        check = Check()
        undo = Work()
        gone = Failed("it did not pass")
        done = Done()
        start = check
        transitions = (check.passed.to(done), check.failed.to(undo), undo.done.to(gone))

    class Mending(Workflow[None], key="order", name="Leaving", version=2):
        check = Check()
        undo = Work()
        tell = Work()
        gone = Failed("it did not pass")
        done = Done()
        start = check
        transitions = (check.passed.to(done), check.failed.to(undo), undo.done.to(tell), tell.done.to(gone))

    play = Play(Leaving)
    play.emit("check", "failed")

    assert isinstance(moved(play, Mending), Accepted)
    play.emit("undo", attempt=2)
    assert play.active == {"tell"}


def test_a_wait_that_nothing_could_end_is_refused() -> None:
    class Waiting(Workflow[None], key="order", name="Waiting"):
        ask = WaitForEvent()
        done = Done()
        start = ask
        transitions = (ask.received.to(done),)

    class Working(Workflow[None], key="order", name="Waiting", version=2):
        ask = Work()
        done = Done()
        start = ask
        transitions = (ask.done.to(done),)

    play = Play(Waiting)
    play.suspend("ask")

    answer = moved(play, Working)

    assert isinstance(answer, Refused)
    assert "'ask' is waiting, and no event from outside could end that" in answer.message


class Ordinary(Workflow[None], key="order", name="Ending"):
    """Its ending interrupts nothing, so none of its nodes is an exit."""

    first = Work()
    second = Work()
    third = Work()
    done = Done()
    start = first
    transitions = (first.done.to(second), second.done.to(third), third.done.to(done))


class Interrupting(Workflow[None], key="order", name="Ending", version=2):
    """All of its nodes are exits."""

    first = Work()
    second = Work()
    third = Work()
    done = Failed("in the end")
    start = first
    transitions = (first.done.to(second), second.done.to(third), third.done.to(done))


class Shorter(Workflow[None], key="order", name="Ending", version=3):
    """The same without the second node."""

    first = Work()
    third = Work()
    done = Failed("in the end")
    start = first
    transitions = (first.done.to(third), third.done.to(done))


def third_sees(play: Play) -> set[str]:
    return set(visible_nodes(play.definition.graph, play.state.nodes, "third"))


def test_what_a_node_sees_depends_on_no_former_version() -> None:
    play = Play(Ordinary)
    play.emit("first")
    play.emit("second")

    moved(play, Interrupting)
    assert third_sees(play) == {"first", "second"}
    moved(play, Shorter)
    assert third_sees(play) == {"first"}
    play.state = msgspec.structs.replace(play.state, version=2)
    moved(play, Ordinary)
    assert third_sees(play) == {"first", "second"}


def test_early_events_of_a_node_that_dies_by_the_move_are_dropped() -> None:
    class Either(Workflow[None], key="order", name="Either"):
        check = Check()
        other = Work()
        ask = Ask()
        done = Done()
        start = check
        transitions = (
            check.passed.to(other),
            check.failed.to(other),
            other.done.to(ask),
            ask.answered.to(done),
            ask.withdrawn.to(done),
            ask.gave_up.to(done),
        )

    class Or(Workflow[None], key="order", name="Either", version=2):
        check = Check()
        other = Work()
        ask = Ask()
        done = Done()
        start = check
        transitions = (
            check.passed.to(other),
            check.failed.to(ask),
            other.done.to(done),
            ask.answered.to(done),
            ask.withdrawn.to(done),
            ask.gave_up.to(done),
        )

    play = Play(Either)
    play.emit("check", "passed")
    play.resume("ask", "withdrawn")

    assert isinstance(moved(play, Or), Accepted)

    assert play.statuses["ask"] == "dead"
    assert play.state.early == ()


def test_the_new_attempt_has_lost_no_worker_yet() -> None:
    play = halfway()
    play.recover(worker_lost=True)
    assert play.state.nodes["work"].restarts == 1
    moved(play, Longer)
    assert play.state.nodes["work"].restarts == 0


def by_anything(context: Context[None]) -> Literal["large", "small"]:
    return "small" if context.initial is not None else "large"
