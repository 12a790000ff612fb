"""Any graph at all: class creation refuses it, or its runs neither hang nor end twice nor join by halves."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hephaestus_stream import WorkflowDefinitionError
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.rule import Rule
from tests.properties.blueprint import Blueprint, Row, Spot
from tests.properties.cuts import CutModel
from tests.properties.driver import Driver, Word
from tests.properties.flows import build
from tests.properties.tokens import TokenModel

WIDTHS = st.sampled_from((1, 1, 1, 2, 2, 3))
GRAPH_ENDINGS = {"done": False, "other": False, "stopped": True, "refused": True}


@st.composite
def blueprints(draw: st.DrawFn) -> Blueprint:
    """A graph whose arrows only lead onward, and all of whose nodes can be reached."""
    names = [f"n{number}" for number in range(draw(st.integers(2, 6)))]
    everywhere = [*names, *GRAPH_ENDINGS]
    wiring = {
        step: [
            draw(st.lists(st.sampled_from(everywhere[index + 1 :]), min_size=1, max_size=draw(WIDTHS), unique=True))
            for _ in range(draw(st.integers(1, 2)))
        ]
        for index, step in enumerate(names)
    }
    for step, following in pairwise(names):  # so that most nodes can be reached
        if all(following not in targets for wires in wiring.values() for targets in wires):
            wiring[step][0].append(following)
    rows = tuple(
        Row(step, f"e{number}", {None: tuple(targets)})
        for step, wires in wiring.items()
        for number, targets in enumerate(wires)
    )
    steps = {step: Spot("work", tuple(f"e{number}" for number in range(len(wiring[step])))) for step in names}
    used = Blueprint(steps, GRAPH_ENDINGS, rows, names[0]).behind(names[0])
    return Blueprint(steps, {end: GRAPH_ENDINGS[end] for end in GRAPH_ENDINGS if end in used}, rows, names[0])


def definition_of(plan: Blueprint) -> tuple[Definition | None, set[str]]:
    """The workflow of a blueprint, or the rules that it is refused by."""
    try:
        return build(plan).definition, set()
    except WorkflowDefinitionError as error:
        return None, {problem.rule for problem in error.problems}


# Most graphs are refused, so more of them are looked at.
@pytest.mark.parity(1)
@settings(max_examples=5 * settings().max_examples)
@given(blueprints())
def test_a_graph_is_refused_by_the_rules_that_it_breaks(plan: Blueprint) -> None:
    _, found = definition_of(plan)
    event(", ".join(sorted(found)) or "accepted")
    # That an ending leaves a fan-out is only a better word where branches never meet.
    found = {Rule.NO_MEETING if rule == Rule.BRANCH_LEAVES else rule for rule in found}
    expected = CutModel(plan).refusals()
    # Of a fan-out's pairs only the first that fails is told.
    assert found - expected == set()
    assert bool(found) == bool(expected)
    assert expected - found <= {Rule.NO_MEETING, Rule.PARTIAL_MEETING}


@pytest.mark.parity(3)
@settings(max_examples=5 * settings().max_examples)
@given(blueprints(), st.data())
def test_a_graph_that_is_accepted_runs_to_one_ending_as_the_tokens_say(plan: Blueprint, data: st.DataObject) -> None:
    definition, _ = definition_of(plan)
    event("refused" if definition is None else f"accepted with {len(definition.graph.fanouts)} fan-outs")
    if definition is None:
        return
    model = TokenModel(plan)
    words: dict[str, Word] = {
        step: (data.draw(st.sampled_from(spot.events), label=step), None) for step, spot in plan.steps.items()
    }
    driver = Driver(definition, words)

    def agrees(driver: Driver) -> None:
        board = model.played(driver.completed)
        nodes = driver.state.nodes
        assert {name for name, node in nodes.items() if node.status != "dead"} == set(board.colours)
        assert {name for name, node in nodes.items() if node.status == "dead"} == model.dead(board)
        assert driver.state.ended_at == board.ending

    driver.run(lambda active: data.draw(st.sampled_from(active)), before_each=agrees)
    assert driver.state.ended_at in plan.endings
