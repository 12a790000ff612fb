"""The join rule against two models of it: one knows regions instead of edges, the other moves coloured tokens."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.properties.blueprint import blueprint
from tests.properties.construction import expected
from tests.properties.driver import Driver, Manner
from tests.properties.flows import workflow
from tests.properties.regions import Region, all_places, decisions, regions, words_of
from tests.properties.tokens import TokenModel

manners = st.sampled_from(get_args(Manner))


@st.composite
def runs(draw: st.DrawFn) -> tuple[Region, dict[str, int], Driver]:
    region = draw(regions())
    decided = draw(decisions(region))
    manner: dict[str, Manner] = {place.name: draw(manners) for place in all_places(region)}
    return region, decided, Driver(workflow(region), words_of(region, decided), manner)


@pytest.mark.parity(3)
@given(runs(), st.data())
def test_what_runs_is_what_the_construction_says(
    drawn: tuple[Region, dict[str, int], Driver], data: st.DataObject
) -> None:
    region, decided, driver = drawn

    def agrees(driver: Driver) -> None:
        completed = [node for node, _ in driver.completed]
        model = expected(region, decided, completed)
        started = {told.node for told in driver.ledger.history if told.type == "step_started"}
        assert started == model.started
        assert driver.state.ended_at == model.ending
        if model.ending is None:
            assert driver.active == model.started - set(completed)

    driver.run(lambda active: data.draw(st.sampled_from(active)), before_each=agrees)
    event(f"ended at {driver.state.ended_at}")


@pytest.mark.parity(3)
@given(runs(), st.data())
def test_joins_start_and_nodes_die_exactly_when_the_tokens_say_so(
    drawn: tuple[Region, dict[str, int], Driver], data: st.DataObject
) -> None:
    region, _, driver = drawn
    model = TokenModel(blueprint(region))

    def agrees(driver: Driver) -> None:
        board = model.played(driver.completed)
        nodes = driver.state.nodes
        assert {name for name, node in nodes.items() if node.status != "dead"} == set(board.colours)
        assert {name for name, node in nodes.items() if node.status == "dead"} == model.dead(board)
        assert driver.state.ended_at == board.ending
        if board.starved:
            event("a join starved")

    driver.run(lambda active: data.draw(st.sampled_from(active)), before_each=agrees)
