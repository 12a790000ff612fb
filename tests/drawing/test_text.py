from __future__ import annotations

from collections import defaultdict
from textwrap import dedent

import pytest
from hypothesis import given, settings
from rich.cells import cell_len

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.drawing import PathTaken, plain, text
from hephaestus_stream.drawing.path import Reached
from tests.drawing.drawn_graphs import UNDER_WAY, definitions, drawn
from workflows.order import OrderFlow


def expected(drawing: str) -> str:
    return dedent(drawing).removeprefix("\n")


def test_an_order_under_way_shows_where_it_went_and_where_it_waits() -> None:
    assert plain(OrderFlow.definition, path=UNDER_WAY) == expected("""
                                     ┌──────────────────┐
                                     │   ✓ ▶ validate   │
                                     └───┬─────────┬────┘
                                      ✓ valid  · invalid
                          ┌──────────────┤         └─────────────────┐
                    ┌─────▼─────┐   ┌────▼────────────────┐   ╭──────▼─────╮
                    │ ✓ reserve │   │      ✓ charge       │   │ · rejected │
                    └─────┬─────┘   └────┬───────────┬────┘   ╰────────────╯
                     ✓ reserved      ✓ charged  · declined
                          ├──────────────┘           │
        ┌─────────────────▼───────────────────┐   ╔══▼═════════╗
        │               ✓ pack                │   ║ · declined ║
        └────────┬───────────────────┬────────┘   ╚════════════╝
         ✓ packed[express]  · packed[standard]
            ┌────▼──────┐   ┌────────▼───┐
            │ ✓ express │   │ · standard │
            └─────┬─────┘   └──────┬─────┘
              ✓ shipped        · shipped
                  └────────┬───────┘
                    ┌╌╌╌╌╌╌▼╌╌╌╌╌┐
                    ┆ ● cool_off ┆
                    └╌╌╌╌╌╌┬╌╌╌╌╌┘
                        elapsed
                 ┌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌┐
                 ┆      review       ┆
                 └╌╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌┘
                  received  timed_out
                      └────┬────┘
                       ╭───▼──╮
                       │ done │
                       ╰──────╯
        ✓ taken  ● active  ✗ failed  ■ stopped  · not taken
        """)


def test_a_chain_is_drawn_straight_down() -> None:
    assert plain(drawn("first go second", "second go third", "third go end")) == expected("""
        ┌─────────┐
        │ ▶ first │
        └────┬────┘
            go
         ┌───▼────┐
         │ second │
         └────┬───┘
             go
         ┌────▼──┐
         │ third │
         └───┬───┘
            go
          ╭──▼──╮
          │ end │
          ╰─────╯
        """)


def test_a_branch_within_a_fan_out_meets_the_others_again() -> None:
    assert plain(
        drawn(
            "split go left middle right",
            "left done join",
            "middle deep dig",
            "middle shallow rake",
            "dig done join",
            "rake done join",
            "right done join",
            "join done end",
        )
    ) == expected("""
                    ┌─────────┐
                    │ ▶ split │
                    └────┬────┘
                        go
            ┌────────────┼────────────┐
        ┌───▼──┐   ┌─────▼─┐   ┌──────▼──────┐
        │ left │   │ right │   │   middle    │
        └───┬──┘   └───┬───┘   └──┬──────┬───┘
          done       done       deep  shallow
            └─────┬────┘          │      │
                  │           ┌───▼─┐   ┌▼─────┐
                  │           │ dig │   │ rake │
                  │           └──┬──┘   └───┬──┘
                  │            done       done
                  └──────────────┼──────────┘
                            ┌────▼─┐
                            │ join │
                            └───┬──┘
                              done
                            ╭───▼─╮
                            │ end │
                            ╰─────╯
        """)


def test_a_line_past_several_layers_keeps_clear_of_their_boxes() -> None:
    assert plain(
        drawn("open go quote sign", "quote received check", "sign received check", "check done end", "open refused end")
    ) == expected("""
                  ┌───────────┐
                  │  ▶ open   │
                  └─┬─────┬───┘
                   go  refused
             ┌──────┴───┐ └────────┐
        ┌────▼───┐   ┌──▼─────┐    │
        │ quote  │   │  sign  │    │
        └────┬───┘   └────┬───┘    │
         received     received     │
             └─────┬──────┘        │
               ┌───▼───┐           │
               │ check │           │
               └───┬───┘           │
                 done              │
                   └───────┬───────┘
                        ╭──▼──╮
                        │ end │
                        ╰─────╯
        """)


@given(definitions())
@settings(max_examples=300, deadline=None)
def test_whoever_follows_a_line_from_its_label_finds_the_nodes_that_it_leads_to(definition: Definition) -> None:
    wanted: dict[str, set[str]] = defaultdict(set)
    for edge in definition.graph.edges:
        wanted[edge.event].add(edge.target)
    sheet = Sheet(plain(definition))

    assert {event: sheet.follow(event) for event in wanted} == wanted


ARMS = dict(zip("╵╷│╴┘┐┤╶└┌├─┴┬┼", range(1, 16), strict=True))
DOWN, LEFT, RIGHT = 2, 4, 8


class Sheet:
    """Reads a drawing as a person does: along the lines, and straight over those that only cross."""

    def __init__(self, drawing: str) -> None:
        self.lines = drawing.splitlines()

    def follow(self, label: str) -> set[str]:
        row, line = next((row, line) for row, line in enumerate(self.lines) if label in line)
        return self._down(row + 1, line.index(label) + len(label) // 2)

    def _down(self, row: int, column: int) -> set[str]:
        while (sign := self._sign(row, column)) == "│":
            row += 1
        if sign == "▼":
            return {self._name(row + 1, column)}
        arms = ARMS[sign]
        found = self._down(row + 1, column) if arms & DOWN else set[str]()
        for arm, step in ((LEFT, -1), (RIGHT, 1)):
            if arms & arm:
                found |= self._along(row, column, step)
        return found

    def _along(self, row: int, column: int, step: int) -> set[str]:
        ahead = RIGHT if step > 0 else LEFT
        found: set[str] = set()
        while True:
            column += step
            sign = self._sign(row, column)
            arms = ARMS[sign]
            if sign != "│" and arms & DOWN:
                found |= self._down(row + 1, column)
            if sign != "│" and not arms & ahead:
                return found

    def _name(self, row: int, column: int) -> str:
        line = self.lines[row]
        walls = [index for index, sign in enumerate(line) if sign == "│"]
        left = max(index for index in walls if index < column)
        right = min(index for index in walls if index > column)
        return line[left + 1 : right].strip()

    def _sign(self, row: int, column: int) -> str:
        return self.lines[row][column]


@pytest.mark.parity(24)
@given(definitions())
@settings(max_examples=100, deadline=None)
def test_every_node_and_every_label_stands_in_the_drawing_and_in_the_outline(definition: Definition) -> None:
    for drawing in (plain(definition), plain(definition, width=1)):
        for edge in definition.graph.edges:
            assert edge.event in drawing
        for node in definition.graph.nodes:
            assert node in drawing


def test_a_terminal_too_narrow_for_the_boxes_gets_an_outline() -> None:
    fork = drawn("pick apple eat", "pick pear cook", "eat done end", "cook done end")

    assert plain(fork, width=10) == expected("""
        ▶ pick
            apple → eat
            pear → cook
        cook
            done → end
        eat
            done → end
        end
        """)


def test_an_outline_puts_targets_that_do_not_fit_on_lines_of_their_own() -> None:
    fanout = drawn("split go first second third", "first done end", "second done end", "third done end")

    assert plain(fanout, width=20).splitlines()[:4] == [
        "▶ split",
        "    go → first,",
        "        second,",
        "        third",
    ]


def test_a_width_that_suffices_changes_nothing() -> None:
    drawing = plain(OrderFlow.definition)
    width = max(cell_len(line) for line in drawing.splitlines())

    assert plain(OrderFlow.definition, width=width) == drawing
    assert plain(OrderFlow.definition, width=width - 1) != drawing


@pytest.mark.parametrize("label", ["two\nlines", "\x1b[31mred", "tab\there"])
def test_a_label_cannot_break_the_drawing(label: str) -> None:
    drawing = plain(drawn(("pick", "go", label, "end")))

    assert label not in drawing
    assert label.encode("unicode_escape").decode() in drawing


def test_wide_letters_take_two_cells_so_that_boxes_stay_straight() -> None:
    lines = plain(drawn("猫猫猫 go 犬")).splitlines()

    assert {cell_len(line) for line in lines[:3]} == {cell_len(lines[0])}


def test_the_path_is_coloured_for_a_terminal() -> None:
    styles = {str(span.style) for span in text(OrderFlow.definition, path=UNDER_WAY).spans}

    assert {"green", "bold yellow", "dim"} <= styles


def test_what_failed_and_what_was_stopped_by_it_are_told_apart() -> None:
    path = PathTaken(
        {
            "validate": Reached("completed", "valid"),
            "charge": Reached("completed", "declined"),
            "reserve": Reached("interrupted"),
            "declined": Reached("completed"),
        }
    )

    drawing = plain(OrderFlow.definition, path=path)

    assert "✗ declined" in drawing  # the ending; a run that reached it has failed
    assert "✓ declined" in drawing  # the event
    assert "■ reserve" in drawing
