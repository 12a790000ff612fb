"""The random workflows are as various as those that people write: without this, the other properties say little."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

from tests.properties.blueprint import blueprint
from tests.properties.regions import Region, regions
from tests.properties.shapes import SHAPES, shapes_of

SAMPLE = 150
OFTEN = SAMPLE // 10


def test_every_shape_is_drawn_often() -> None:
    seen: Counter[str] = Counter()

    # The same sample each time: this is about what is drawn, not about what is found.
    @settings(max_examples=SAMPLE, derandomize=True, database=None)
    @given(regions())
    def look(region: Region) -> None:
        seen.update(shapes_of(blueprint(region)))

    look()
    assert {shape: seen[shape] for shape in SHAPES if seen[shape] < OFTEN} == {}
