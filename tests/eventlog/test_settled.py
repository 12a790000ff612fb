"""When the summary of a replay is taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count

from hephaestus_stream.eventlog.outcome import Outcome
from hephaestus_stream.eventlog.replay import settled

NO_TIME = timedelta()


def outcome(completed: int) -> Outcome:
    return Outcome({f"run-{number}": "completed" for number in range(completed)}, 0)


class Readings:
    """What is read one time after another, and how often it was."""

    def __init__(self, completed: Sequence[int] | Iterator[int]) -> None:
        self.made = 0
        self._completed = iter(completed)

    async def read(self) -> Outcome:
        self.made += 1
        return outcome(next(self._completed))


async def test_completions_that_come_after_the_last_answer_are_waited_for() -> None:
    readings = Readings([1, 2, 5, 5, 9])

    assert await settled(readings.read, between=NO_TIME) == outcome(5)
    assert readings.made == 4


async def test_an_engine_that_never_comes_to_rest_is_not_waited_for_without_end() -> None:
    readings = Readings(count())

    last = await settled(readings.read, between=NO_TIME, patience=timedelta(milliseconds=20))

    assert last == outcome(readings.made - 1)


async def test_without_patience_the_first_reading_counts() -> None:
    assert await settled(Readings([3]).read, patience=NO_TIME) == outcome(3)
