"""Any graph at all: class creation refuses it, or its runs neither hang nor end twice nor join by halves."""

from __future__ import annotations

import types
from itertools import pairwise
from typing import cast

from hypothesis import event, given, settings
from hypothesis import strategies as st

from hephaestus_stream import Done, Failed, Workflow, WorkflowDefinitionError
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.node import Node
from tests.properties.driver import Driver
from tests.properties.flows import Work, event_of

WIDTHS = st.sampled_from((1, 1, 1, 2, 2, 3))


@st.composite
def definitions(draw: st.DrawFn) -> Definition | None:
    """A graph whose arrows only lead onward; None where class creation refuses it."""
    steps = [f"n{number}" for number in range(draw(st.integers(2, 6)))]
    nodes: dict[str, Node] = {"done": Done(), "away": Done(interrupts=True), "failed": Failed("failed")}
    names = [*steps, *nodes]
    wiring = {
        step: [
            draw(st.lists(st.sampled_from(names[index + 1 :]), min_size=1, max_size=draw(WIDTHS), unique=True))
            for _ in range(draw(st.integers(1, 2)))
        ]
        for index, step in enumerate(steps)
    }
    for step, following in pairwise(steps):  # so that most nodes can be reached
        if all(following not in targets for wires in wiring.values() for targets in wires):
            wiring[step][0].append(following)
    nodes |= {step: Work(len(wiring[step])) for step in steps}
    used = {steps[0], *(target for wires in wiring.values() for targets in wires for target in targets)}

    def body(namespace: dict[str, object]) -> None:
        namespace |= {name: node for name, node in nodes.items() if name in used}
        namespace["start"] = nodes[steps[0]]
        namespace["transitions"] = tuple(
            event_of(nodes, step, number).to(*(nodes[target] for target in targets))
            for step, wires in wiring.items()
            for number, targets in enumerate(wires)
        )

    try:
        made = types.new_class("Any", (Workflow[None],), {"key": "any"}, body)
    except WorkflowDefinitionError:
        return None
    return cast("type[Workflow[None]]", made).definition


# Most graphs are refused, so more of them are looked at.
@settings(max_examples=10 * settings().max_examples)
@given(definitions(), st.data())
def test_a_graph_that_is_accepted_runs_to_one_ending(definition: Definition | None, data: st.DataObject) -> None:
    event("refused" if definition is None else f"accepted with {len(definition.graph.fanouts)} fan-outs")
    if definition is None:
        return
    counts = {name: len(events) for name, events in definition.events.items()}
    decided = {name: data.draw(st.integers(0, count - 1)) for name, count in counts.items()}
    driver = Driver(definition, decided, {})

    def joins_are_whole(driver: Driver) -> None:
        for node in driver.active - definition.graph.exits:
            sources = {edge.source for edge in definition.graph.incoming[node]}
            settled = {name for name, state in driver.state.nodes.items() if state.status in {"completed", "dead"}}
            assert sources <= settled, "a join started before its sources were settled"

    driver.run(lambda active: data.draw(st.sampled_from(active)), before_each=joins_are_whole)
    assert len(driver.started) == len(set(driver.started))
    assert driver.state.ended_at in definition.graph.endings
