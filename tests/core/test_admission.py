"""Which runs a key may have, and which one a command means."""

from __future__ import annotations

import pytest

from hephaestus_stream import Done, Workflow
from hephaestus_stream.core.admission import Admitted, Existing, KeyRecord, OnConflict, Run, admit, find_run
from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.definition import Definition, Reuse, Scope
from hephaestus_stream.core.limits import MAX_ENDED_RUNS, MAX_LIVE_RUNS
from hephaestus_stream.core.state import EndStatus
from tests.core.flows import Work
from tests.core.play import Play


def definition(*, scope: Scope = "workflow", reuse: Reuse = "always", version: int = 1) -> Definition:
    class Flow(Workflow[None], key="order", scope=scope, reuse=reuse, version=version):
        work = Work()
        end = Done()
        start = work
        transitions = (work.done.to(end),)

    return Flow.definition


def run(
    name: str = "run-1",
    *,
    workflow: str = "Flow",
    version: int = 1,
    scope: Scope = "workflow",
    ended: EndStatus | None = None,
) -> Run:
    return Run(name, workflow, version, scope, ended)


def admission(definition: Definition, *runs: Run, on_conflict: OnConflict = "reject") -> Admitted | Existing | Refused:
    return admit(definition, KeyRecord(runs), key="order::1", on_conflict=on_conflict)


@pytest.mark.parity(15)
@pytest.mark.parametrize(
    ("scope", "live", "free"),
    [
        ("workflow", run(), False),
        ("workflow", run(version=2), False),
        ("workflow", run(workflow="Other"), True),
        ("workflow", run(workflow="Other", scope="global"), False),
        ("version", run(), False),
        ("version", run(version=2, scope="version"), True),
        ("global", run(workflow="Other"), False),
        ("none", run(scope="none"), True),
        ("workflow", run(ended="completed"), True),
    ],
)
def test_a_key_is_unique_among_the_live_runs_of_its_scope(scope: Scope, live: Run, *, free: bool) -> None:
    answer = admission(definition(scope=scope), live)
    if free:
        assert answer == Admitted()
    else:
        assert isinstance(answer, Refused)
        assert answer.reason == "already_running"
        assert "run run-1" in answer.message


@pytest.mark.parity(15)
def test_a_conflict_may_be_answered_with_the_existing_run() -> None:
    assert admission(definition(), run(), on_conflict="return_existing") == Existing("run-1")


@pytest.mark.parity(15)
def test_a_conflict_may_end_the_existing_runs() -> None:
    live = (run("a"), run("b", version=2))
    assert admission(definition(), *live, on_conflict="terminate_existing") == Admitted(("a", "b"))


@pytest.mark.parity(15)
@pytest.mark.parametrize(
    ("reuse", "ended", "free"),
    [
        ("always", "completed", True),
        ("after_failure", "completed", False),
        ("after_failure", "failed", True),
        ("after_failure", "cancelled", True),
        ("never", "failed", False),
        ("never", "cancelled", False),
    ],
)
def test_an_ended_key_starts_again_as_its_workflow_allows(reuse: Reuse, ended: EndStatus, *, free: bool) -> None:
    answer = admission(definition(reuse=reuse), run(ended=ended))
    assert (answer == Admitted()) is free
    if isinstance(answer, Refused):
        assert answer.reason == "key_used"
        assert "use another id" in answer.message


@pytest.mark.parity(15)
def test_ending_the_existing_run_is_no_way_around_reuse() -> None:
    answer = admission(definition(reuse="never"), run(), on_conflict="terminate_existing")
    assert isinstance(answer, Refused)
    former = (run("a", ended="completed"), run("b"))
    answer = admission(definition(reuse="after_failure"), *former, on_conflict="terminate_existing")
    assert isinstance(answer, Refused)
    assert answer.reason == "key_used"


def test_a_key_has_a_bounded_number_of_live_runs() -> None:
    many = [run(str(number), scope="none") for number in range(MAX_LIVE_RUNS)]
    answer = admission(definition(scope="none"), *many)
    assert isinstance(answer, Refused)
    assert answer.reason == "too_many_runs"


def found(*runs: Run, name: str | None = None, version: int | None = None) -> Run | Refused:
    return find_run(KeyRecord(runs), key="order::1", workflow="Flow", run=name, version=version)


def test_a_command_means_the_only_live_run() -> None:
    assert found(run("a", ended="failed"), run("b"), run("c", workflow="Other")) == run("b")


@pytest.mark.parity(15)
def test_a_command_among_several_live_runs_is_ambiguous_until_it_names_one() -> None:
    runs = (run("a"), run("b", version=2))
    answer = found(*runs)
    assert isinstance(answer, Refused)
    assert answer.reason == "ambiguous"
    assert "a (version 1), b (version 2)" in answer.message
    assert found(*runs, name="a") == runs[0]
    assert found(*runs, version=2) == runs[1]


def test_a_command_to_an_ended_run_is_refused_as_ended() -> None:
    answer = found(run(ended="cancelled"))
    assert isinstance(answer, Refused)
    assert answer == Refused("ended", "order::1 has ended (cancelled); only a start gives it a further run")


def test_a_command_to_no_run_says_which_there_are() -> None:
    nothing = found()
    assert isinstance(nothing, Refused)
    assert nothing == Refused(
        "not_found", "order::1 has no run of Flow; start it first, or look at the spelling of the id"
    )
    another = found(run("a"), name="b")
    assert isinstance(another, Refused)
    assert another.message == "order::1 has no run b of Flow; it has a (Flow, version 1)"


class Remembered(Workflow[None], key="order"):
    work = Work()
    end = Done()
    start = work
    transitions = (work.done.to(end),)


def test_a_key_remembers_a_run_once_and_forgets_it_after_its_retention() -> None:
    play = Play(Remembered)
    record = KeyRecord(commands=1).with_run(play.state, scope="workflow")
    assert record.live() == (Run("run-1", "Remembered", 1, "workflow"),)
    assert record.with_run(play.state, scope="workflow") is record
    play.cancel()
    record = record.with_run(play.state, scope="workflow")
    assert record.live() == ()
    assert record.runs == (Run("run-1", "Remembered", 1, "workflow", "cancelled"),)
    assert record.without_run("run-1") == KeyRecord(commands=1)


@pytest.mark.parity(15)
def test_a_key_forgets_its_oldest_ended_runs_beyond_a_bound_and_no_live_one() -> None:
    ended = [run(str(number), ended="completed") for number in range(MAX_ENDED_RUNS + 2)]
    live = run("live")
    record = KeyRecord((live, *ended)).with_run(Play(Remembered).state, scope="workflow")
    assert record.runs[0] == live
    assert record.runs[1:-1] == tuple(ended[2:])
    assert record.live()[1].run == "run-1"


@pytest.mark.parity(15)
@pytest.mark.parametrize("reuse", ["after_failure", "never"])
def test_what_a_workflow_and_a_version_came_to_is_not_forgotten_for_runs_of_others(reuse: Reuse) -> None:
    first = (
        run("failed", workflow="Flow", ended="failed"),
        run("completed", workflow="Flow", ended="completed"),
        run("old", workflow="Other", version=1, ended="cancelled"),
    )
    many = [run(str(number), workflow="Other", version=2, ended="completed") for number in range(2 * MAX_ENDED_RUNS)]
    record = KeyRecord((*first, *many)).with_run(Play(Remembered).state, scope="none")
    assert record.runs[:3] == first
    assert sum(each.ended is not None for each in record.runs) == MAX_ENDED_RUNS

    answer = admit(definition(reuse=reuse), record.without_run("run-1"), key="order::1", on_conflict="reject")

    assert isinstance(answer, Refused)
    assert (answer.reason, answer.run) == ("key_used", "completed")


@pytest.mark.parity(15)
def test_of_equal_endings_the_newest_is_remembered() -> None:
    older, newer = run("older", workflow="Other", ended="failed"), run("newer", workflow="Other", ended="failed")
    many = [run(str(number), ended="completed") for number in range(MAX_ENDED_RUNS)]
    record = KeyRecord((older, newer, *many)).with_run(Play(Remembered).state, scope="none")
    assert older not in record.runs
    assert newer in record.runs


@pytest.mark.parity(15, 27)
@pytest.mark.parametrize("scope", ["workflow", "version", "global"])
def test_who_is_refused_is_told_the_run_that_lives(scope: Scope) -> None:
    answer = admission(definition(scope=scope), run("before", ended="failed"), run("winner"))
    assert isinstance(answer, Refused)
    assert answer.run == "winner"


@pytest.mark.parity(15)
def test_former_runs_out_of_the_scope_are_no_reason_against_a_start() -> None:
    former = (run("a", workflow="Other", ended="completed"), run("b", version=2, ended="completed"))
    assert admission(definition(scope="version", reuse="never"), *former) == Admitted()
    assert isinstance(admission(definition(scope="workflow", reuse="never"), *former), Refused)
    assert isinstance(admission(definition(scope="global", reuse="never"), former[0]), Refused)
    assert admission(definition(scope="none", reuse="never"), *former) == Admitted()
