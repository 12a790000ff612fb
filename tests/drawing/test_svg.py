from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.drawing import PathTaken, plain, svg
from hephaestus_stream.drawing.path import Reached
from tests.drawing.drawn_graphs import UNDER_WAY, definitions, drawn
from tests.drawing.pictures import SVG, Picture
from tests.properties.flows import workflow
from tests.properties.regions import regions
from workflows.approval import ApprovalFlow
from workflows.order import OrderFlow

sound = regions().map(workflow)
"""Graphs that a workflow may have: nested fan-outs, routes, exits."""


@pytest.mark.parity(24)
@given(definitions() | sound)
@settings(max_examples=100, deadline=None)
def test_every_node_every_edge_and_every_label_stands_in_the_picture_once(definition: Definition) -> None:
    picture, graph = Picture(svg(definition)), definition.graph

    assert Counter(node.get("data-node") for node in picture.nodes) == Counter(graph.nodes)
    drawn_edges = Counter((each.source, each.event, each.label, each.target) for each in picture.arrows)
    assert drawn_edges == Counter((edge.source, edge.event, edge.label, edge.target) for edge in graph.edges)
    outcomes = {(edge.source, edge.event, edge.label) for edge in graph.edges}
    labels = [event if label is None else f"{event}[{label}]" for _, event, label in outcomes]
    assert Counter(label for label, _ in picture.labels) == Counter(labels)


@given(definitions() | sound, st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_box_and_no_label_lies_on_another(definition: Definition, has_path: bool) -> None:  # noqa: FBT001
    picture = Picture(svg(definition, path=everything_taken(definition) if has_path else None))

    areas = [*picture.boxes.values(), *(area for _, area in picture.labels)]
    assert [pair for pair in combinations(areas, 2) if pair[0].overlaps(pair[1])] == []
    width, height = (float(picture.root.get(side, "")) for side in ("width", "height"))
    assert all(area.left >= 0 and area.top >= 0 and area.right <= width and area.bottom <= height for area in areas)


@given(definitions() | sound)
@settings(max_examples=100, deadline=None)
def test_no_line_goes_through_a_box_or_a_label(definition: Definition) -> None:
    picture = Picture(svg(definition))

    areas = [*picture.boxes.values(), *(area for _, area in picture.labels)]
    crossed = [
        (arrow, area) for arrow in picture.arrows for stroke in arrow.strokes for area in areas if stroke.overlaps(area)
    ]
    assert crossed == []


@given(definitions() | sound)
@settings(max_examples=100, deadline=None)
def test_an_arrow_leaves_the_bottom_of_its_source_and_points_at_the_top_of_its_target(definition: Definition) -> None:
    picture = Picture(svg(definition))

    for arrow in picture.arrows:
        source, target = picture.boxes[arrow.source], picture.boxes[arrow.target]
        assert source.left < arrow.start[0] < source.right
        assert arrow.start[1] == source.bottom
        assert target.left < arrow.tip[0] < target.right
        assert arrow.tip[1] == target.top
        # It ends where its head begins, below the middle of its outcome's label.
        assert arrow.strokes[-1].bottom == target.top - 8


@given(definitions())
@settings(max_examples=50, deadline=None)
def test_the_picture_and_the_drawing_for_the_terminal_have_their_nodes_in_the_same_places(
    definition: Definition,
) -> None:
    boxes = Picture(svg(definition)).boxes
    found = re.finditer(r"\bn\d\b", plain(definition))

    assert [place[0] for place in found] == sorted(boxes, key=lambda node: (boxes[node].top, boxes[node].left))


def test_waits_endings_and_endings_that_interrupt_look_different() -> None:
    order, approval = Picture(svg(OrderFlow.definition)), Picture(svg(ApprovalFlow.definition))

    kinds = [order.classes_of(node) for node in ("pack", "review", "done", "declined")]
    assert kinds == [{"node", "open", f"kind-{kind}"} for kind in ("step", "wait", "done", "failed")]
    assert [order.borders_of(node) for node in ("pack", "done", "declined")] == [1, 1, 2]
    assert approval.borders_of("rejected") == 2  # a Done that interrupts
    assert ".kind-wait rect { stroke-dasharray" in svg(OrderFlow.definition)


@pytest.mark.parity(24)
def test_the_path_shows_in_classes_in_signs_and_in_a_legend() -> None:
    picture = Picture(svg(OrderFlow.definition, path=UNDER_WAY))

    assert "taken" in picture.classes_of("charge")
    assert "active" in picture.classes_of("cool_off")
    assert "dead" in picture.classes_of("standard")
    assert "open" in picture.classes_of("review")
    assert {"✓ charge", "● cool_off", "· standard", "review"} <= set(picture.text("name"))
    assert {"✓ packed[express]", "· packed[standard]", "elapsed"} <= set(picture.text("label"))
    assert picture.text("legend") == ["✓ taken", "● active", "✗ failed", "■ stopped", "· not taken"]
    assert Picture(svg(OrderFlow.definition)).text("legend") == []


def test_what_was_taken_is_drawn_over_what_was_not() -> None:
    order = [arrow.progress for arrow in Picture(svg(OrderFlow.definition, path=UNDER_WAY)).arrows]

    assert order == sorted(order, key=["open", "dead", "taken"].index)


def test_who_cannot_see_the_picture_gets_it_in_words() -> None:
    picture = Picture(svg(OrderFlow.definition, path=UNDER_WAY))
    by_id = {element.get("id"): element.text for element in picture.root if element.get("id")}

    title, description = [by_id[name] for name in picture.root.get("aria-labelledby", "").split()]
    assert picture.root.get("role") == "img"
    assert title == "OrderFlow, version 2"
    assert description is not None
    assert description.startswith("Starts at validate. validate (taken): valid leads to reserve and charge; invalid ")
    assert "cool_off (active): elapsed leads to review." in description
    assert "rejected (not taken) is an ending." in description


def test_a_caption_takes_the_place_of_the_name() -> None:
    title = Picture(svg(OrderFlow.definition, caption="orderid::<1> & more")).root.find(f"{SVG}title")

    assert title is not None
    assert title.text == "orderid::<1> & more"


def test_a_picture_needs_nothing_else_and_has_one_style_sheet_for_light_and_dark_pages() -> None:
    source = svg(OrderFlow.definition, path=UNDER_WAY)

    assert len(re.findall("<style", source)) == 1
    assert "prefers-color-scheme: dark" in source
    assert not re.findall(r"url\(|@import|href|style=|<script", source)


@given(st.text(max_size=20))
@settings(deadline=None)
def test_no_label_leaves_its_element(label: str) -> None:
    (said,) = Picture(svg(drawn(("pick", "go", label, "end")))).text("label")

    printable = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in label)
    assert said == f"go[{printable}]"


def everything_taken(definition: Definition) -> PathTaken:
    """Marks stand at all nodes and labels, so that everything is as wide as it can be."""
    nodes = {node: Reached("completed") for node in definition.graph.nodes}
    nodes |= {edge.source: Reached("completed", edge.event, edge.label) for edge in definition.graph.edges}
    return PathTaken(nodes)
