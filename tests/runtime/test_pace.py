from __future__ import annotations

import pytest

from hephaestus_stream.runtime.pace import LONGEST_REST, Pace


def test_a_lone_input_never_waits() -> None:
    pace = Pace()
    pace.ended(began=10.0, now=10.004, inputs=1)
    assert pace.rest(10.004, waiting=1) == 0


def test_after_several_inputs_a_shard_rests_for_as_long_as_it_has_worked() -> None:
    pace = Pace()
    pace.ended(began=10.0, now=10.004, inputs=5)
    assert pace.rest(10.004, waiting=1) == pytest.approx(0.004)
    assert pace.rest(10.007, waiting=1) == pytest.approx(0.001)
    assert pace.rest(10.010, waiting=1) == 0


def test_a_long_cycle_makes_no_long_rest() -> None:
    pace = Pace()
    pace.ended(began=10.0, now=12.0, inputs=900)
    assert pace.rest(12.0, waiting=1) == pytest.approx(LONGEST_REST.total_seconds())


def test_a_full_cycle_is_not_waited_for() -> None:
    pace = Pace()
    pace.ended(began=10.0, now=12.0, inputs=900)
    assert pace.rest(12.0, waiting=64) == 0
