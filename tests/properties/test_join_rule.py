"""The join rule against a model of it that knows regions instead of edges."""

from __future__ import annotations

from typing import get_args

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from hephaestus_stream.core.state import ACTIVE
from tests.properties.driver import Driver, Manner
from tests.properties.flows import workflow
from tests.properties.regions import EXITS, Leave, Region, all_places, expected, regions


@st.composite
def drivers(draw: st.DrawFn) -> tuple[Region, Driver]:
    region = draw(regions())
    places = list(all_places(region))
    decided = {place.name: draw(st.integers(0, len(place.choices) - 1)) for place in places}
    manner: dict[str, Manner] = {place.name: draw(st.sampled_from(get_args(Manner))) for place in places}
    return region, Driver(workflow(region), decided, manner)


@given(drivers(), st.data())
def test_what_runs_is_what_the_construction_says(drawn: tuple[Region, Driver], data: st.DataObject) -> None:
    region, driver = drawn

    def agrees(driver: Driver) -> None:
        model = expected(region, driver.decided, driver.completed)
        assert set(driver.started) == model.started
        assert driver.state.ended_at == model.ending
        if model.ending is None:
            assert driver.active == model.started - set(driver.completed)
            assert driver.active, "a live run has something active"

    driver.run(lambda active: data.draw(st.sampled_from(active)), before_each=agrees)
    event(f"ended at {driver.state.ended_at}")


@given(drivers(), st.data())
def test_a_run_has_one_ending_and_runs_every_node_at_most_once(
    drawn: tuple[Region, Driver], data: st.DataObject
) -> None:
    _, driver = drawn
    driver.run(lambda active: data.draw(st.sampled_from(active)))
    assert len(driver.started) == len(set(driver.started))
    assert [told.type for told in driver.history if told.type in {"completed", "failed", "cancelled"}] == [
        driver.state.status
    ]
    assert [told.sequence for told in driver.history] == list(range(1, len(driver.history) + 1))
    assert not [name for name, node in driver.state.nodes.items() if node.status in ACTIVE]


@given(drivers(), st.data())
def test_the_end_does_not_depend_on_the_order_of_independent_outcomes(
    drawn: tuple[Region, Driver], data: st.DataObject
) -> None:
    region, driver = drawn
    # Where an exit may be taken, what ran beside it until then is a matter of timing.
    decided = {
        place.name: next(
            number for number in (driver.decided[place.name], 0) if not isinstance(place.choices[number], Leave)
        )
        for place in all_places(region)
    }
    one, other = (Driver(driver.definition, decided, driver.manner) for _ in range(2))
    one.run(lambda active: active[0])
    other.run(lambda active: data.draw(st.sampled_from(active)))
    assert {name: (node.status, node.label) for name, node in one.state.nodes.items()} == {
        name: (node.status, node.label) for name, node in other.state.nodes.items()
    }
    assert one.state.ended_at == other.state.ended_at
    assert one.state.ended_at not in EXITS


@given(drivers(), st.data())
def test_the_same_inputs_give_equal_bytes(drawn: tuple[Region, Driver], data: st.DataObject) -> None:
    _, driver = drawn
    driver.run(lambda active: data.draw(st.sampled_from(active)))
    assert driver.replayed() == msgspec.msgpack.encode(driver.state)
