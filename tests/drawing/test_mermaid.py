from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.drawing import PathTaken, mermaid
from hephaestus_stream.drawing.path import Reached
from tests.drawing.drawn_graphs import drawn
from workflows.order import OrderFlow


@pytest.mark.parity(24)
def test_an_order_is_a_flowchart_with_its_waits_and_endings_in_other_shapes() -> None:
    assert mermaid(OrderFlow.definition) == (
        "flowchart TD\n"
        '    begin((" ")) --> node_validate\n'
        '    node_validate["validate"]\n'
        '    node_reserve["reserve"]\n'
        '    node_charge["charge"]\n'
        '    node_pack["pack"]\n'
        '    node_express["express"]\n'
        '    node_standard["standard"]\n'
        '    node_cool_off{{"cool_off"}}\n'
        '    node_review{{"review"}}\n'
        '    node_done(["done"])\n'
        '    node_rejected(["rejected"])\n'
        '    node_declined[["declined"]]\n'
        '    node_validate -->|"valid"| node_reserve\n'
        '    node_validate -->|"valid"| node_charge\n'
        '    node_validate -->|"invalid"| node_rejected\n'
        '    node_reserve -->|"reserved"| node_pack\n'
        '    node_charge -->|"charged"| node_pack\n'
        '    node_charge -->|"declined"| node_declined\n'
        '    node_pack -->|"packed[express]"| node_express\n'
        '    node_pack -->|"packed[standard]"| node_standard\n'
        '    node_express -->|"shipped"| node_cool_off\n'
        '    node_standard -->|"shipped"| node_cool_off\n'
        '    node_cool_off -->|"elapsed"| node_review\n'
        '    node_review -->|"received"| node_done\n'
        '    node_review -->|"timed_out"| node_done\n'
    )


def test_the_path_marks_nodes_and_links() -> None:
    path = PathTaken(
        {
            "validate": Reached("completed", "valid"),
            "rejected": Reached("dead"),
            "reserve": Reached("interrupted"),
            "charge": Reached("completed", "declined"),
            "declined": Reached("completed"),
        }
    )

    lines = [line.strip() for line in mermaid(OrderFlow.definition, path=path).splitlines()]

    assert "class node_validate,node_charge taken" in lines
    assert "class node_reserve stopped" in lines
    assert "class node_rejected dead" in lines
    assert "class node_declined failed" in lines
    assert any(line.startswith("linkStyle 1,2,6 ") for line in lines)  # valid, twice, and declined
    assert any(line.startswith("linkStyle 3,4,5 ") for line in lines)  # invalid, reserved, charged
    assert 'node_validate["#10003; validate"]' in lines  # the signs are there without colours, too
    assert 'node_validate -->|"#183; invalid"| node_rejected' in lines
    assert any("#10003; taken" in line for line in lines if line.startswith("legend["))


@pytest.mark.parametrize("word", ["end", "class", "graph", "subgraph", "style", "click", "default", "begin"])
def test_no_node_is_named_as_a_word_of_mermaid(word: str) -> None:
    drawing = mermaid(drawn(f"{word} go other"))

    assert f'node_{word}["{word}"]' in drawing
    assert not re.search(rf"^\s*{word}\b(?!\(\()", drawing, re.MULTILINE)


def test_names_in_other_scripts_get_ids_in_ascii() -> None:
    ids = re.findall(r'^ *(\w+)[\[({]+"', mermaid(drawn("über go größe", "größe go node1")), re.MULTILINE)

    assert ids == ["begin", "node0", "node1", "node_node1"]


@given(st.text(max_size=20))
def test_no_label_leaves_its_quotes(label: str) -> None:
    (edge,) = [line for line in mermaid(drawn(("pick", "go", label, "end"))).split("\n") if "go" in line]

    assert re.fullmatch(r'    node_pick -->\|"go\[[^"|<>`\\;]*(#\d+;[^"|<>`\\;]*)*\]"\| node_end', edge)


def test_signs_with_a_meaning_are_written_as_their_numbers() -> None:
    drawing = mermaid(drawn(("pick", "go", '1. "<b>"', "end")))

    assert '|"go[1#46; #34;#60;b#62;#34;]"|' in drawing
