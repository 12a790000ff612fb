"""A valid graph that was spoilt in a known way is refused, and by the rule about that."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hephaestus_stream import WorkflowDefinitionError
from tests.properties.blueprint import blueprint
from tests.properties.damage import DAMAGES, Damage
from tests.properties.flows import build
from tests.properties.regions import Region, rich_regions


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
@settings(max_examples=settings().max_examples // 3)
@given(region=rich_regions(), data=st.data())
def test_a_graph_spoilt_in_one_way_is_refused_by_the_rule_about_that(
    damage: Damage, region: Region, data: st.DataObject
) -> None:
    plan = blueprint(region)
    build(plan)  # it is a valid one

    with pytest.raises(WorkflowDefinitionError) as refusal:
        build(damage.spoil(plan, data))

    rules = {problem.rule for problem in refusal.value.problems}
    event(", ".join(sorted(rules)))
    assert damage.breaks <= rules <= damage.breaks | damage.besides
