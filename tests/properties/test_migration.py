"""Whatever its author changes of a workflow, a run moves to it and ends well, or is refused and left as it is."""

from __future__ import annotations

from collections import Counter

from hypothesis import event, given
from hypothesis import strategies as st

from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.definition import Definition
from tests.properties.blueprint import Blueprint, blueprint
from tests.properties.changes import changed, version_of
from tests.properties.movement import Movement
from tests.properties.regions import regions
from tests.properties.test_any_graph import blueprints

SHORT = 9
LONG = 10
VERSIONS = 5
"""Other versions that a run is moved to, each time from the same place."""

plans = st.one_of(regions().map(blueprint), regions().map(blueprint), blueprints())


@given(plans, st.data())
def test_a_run_that_moves_ends_once_where_its_new_version_leads_and_one_that_is_refused_stays(
    plan: Blueprint, data: st.DataObject
) -> None:
    run = on_its_way(plan, data)
    if run is None:
        event("no such class")
        return
    for _ in range(VERSIONS):
        near = run.active if data.draw(st.booleans()) else set(run.state.nodes)
        change, other = data.draw(changed(plan, near))
        definition = version_of(other, 2)
        if definition is None:
            event(f"{change}: no such class")
        else:
            event(f"{change}: {moved(run.fork(), definition)}")


def moved(run: Movement, definition: Definition) -> str:
    """Whether a run may move to a version; it is played to its end in either case."""
    before = run.state
    answer = run.move(definition)
    if isinstance(answer, Refused):
        assert answer.message
        assert (run.state.version, run.state.nodes, run.state.early) == (1, before.nodes, before.early)
    else:
        assert run.state.version == 2
        assert {node.restarts for node in run.state.nodes.values() if node.status == "running"} <= {0}
        run = run.go_on(most=LONG)
    run.wind_up()
    told = Counter(each.type for each in run.ledger.history)
    assert told["completed"] + told["failed"] == 1 + told["retried"]
    return "refused" if isinstance(answer, Refused) else "accepted"


@given(plans, st.data())
def test_a_run_always_moves_to_a_version_that_changes_nothing(plan: Blueprint, data: st.DataObject) -> None:
    run, same = on_its_way(plan, data), version_of(plan, 2)
    if run is None or same is None:
        return
    before = run.state.nodes
    assert run.move(same) == Accepted("applied", "from version 1 to 2")
    assert {name: node.status for name, node in run.state.nodes.items()} == {
        name: node.status for name, node in before.items()
    }
    run.wind_up()


def on_its_way(plan: Blueprint, data: st.DataObject) -> Movement | None:
    """A run of a plan that has gone some way; None where class creation refuses the plan."""
    definition = version_of(plan, 1)
    return None if definition is None else Movement(definition, data).go_on(most=SHORT)
