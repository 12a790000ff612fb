"""Whatever happens to a run, in whatever order: its books are right after each input, and it ends once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.record import decode_state, encode
from tests.properties.blueprint import blueprint
from tests.properties.flows import workflow
from tests.properties.histories import History
from tests.properties.regions import Region, decisions, regions, words_of
from tests.properties.tokens import TokenModel

LONG = 40


@st.composite
def settings_of_runs(draw: st.DrawFn) -> tuple[Region, dict[str, tuple[str, str | None]]]:
    region = draw(regions())
    return region, words_of(region, draw(decisions(region)))


@pytest.mark.parity(2)
@given(settings_of_runs(), st.data())
def test_after_each_input_the_books_are_right_and_in_the_end_there_is_one_ending(
    drawn: tuple[Region, dict[str, tuple[str, str | None]]], data: st.DataObject
) -> None:
    region, words = drawn
    history = History(workflow(region), words, data).drawn(most=LONG)
    event(f"{history.state.status} after {len(history.log) // 10 * 10} inputs and more")
    history.wind_up()
    event(f"in the end {history.state.status}")
    told = Counter(each.type for each in history.ledger.history)
    assert told["completed"] + told["failed"] + told["cancelled"] == 1 + told["retried"]
    for steering in ("retried", "paused", "continued", "skipped"):
        event(f"{steering}: {bool(told[steering])}")
    assert told["started"] == 1


@given(settings_of_runs(), st.data())
def test_under_any_history_nodes_start_and_die_as_the_tokens_say(
    drawn: tuple[Region, dict[str, tuple[str, str | None]]], data: st.DataObject
) -> None:
    region, words = drawn
    history = History(workflow(region), words, data).drawn(most=LONG)
    model = TokenModel(blueprint(region))
    board = model.played(history.completed)
    nodes = history.state.nodes
    assert {name for name, node in nodes.items() if node.status != "dead"} == set(board.colours)
    assert {name for name, node in nodes.items() if node.status == "dead"} == model.dead(board)
    if history.state.is_live:
        assert history.active == board.active
    elif history.state.status == "completed":
        assert history.state.ended_at == board.ending


@pytest.mark.parity(2)
@given(settings_of_runs(), st.data())
def test_the_log_applied_again_from_any_prefix_gives_equal_bytes(
    drawn: tuple[Region, dict[str, tuple[str, str | None]]], data: st.DataObject
) -> None:
    region, words = drawn
    history = History(workflow(region), words, data).drawn(most=LONG)
    kept = [encode(decision.state) for decision in history.decisions]
    prefix = data.draw(st.integers(0, len(kept)), label="prefix")
    # Another process: the class is made anew, and what it knows of the run comes from bytes.
    definition = workflow(region)
    state: State | None = decode_state(kept[prefix - 1]) if prefix else None
    for (what, now), decision, value in zip(
        history.log[prefix:], history.decisions[prefix:], kept[prefix:], strict=True
    ):
        again = apply(definition, state, what, now=now)
        assert encode(again.state) == value
        assert (again.history, again.effects, again.answer) == (decision.history, decision.effects, decision.answer)
        state = decode_state(value)
