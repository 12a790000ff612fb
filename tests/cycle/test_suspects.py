"""A step that kills its worker is found, whatever runs beside it, and nothing else is blamed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from math import ceil, log2

import pytest

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, Workflow
from hephaestus_stream.core.limits import PROMPT_LOSS
from hephaestus_stream.cycle.suspects import Suspect, Suspects, Turns
from hephaestus_stream.wire.command import StartCommand
from hephaestus_stream.wire.request import start_command
from tests.cycle.partition import Partition

LIFE = timedelta(seconds=10)
"""How long the killer runs until its worker dies."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Hang(Step[None]):
    """Runs until its worker dies."""

    done = Event()
    retry = RetryPolicy(max_attempts=5, initial_delay=timedelta(seconds=1), jitter=0)

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        await asyncio.Event().wait()
        return self.done()


class Flow(Workflow[None], key="flow"):
    """One step."""

    hang = Hang()
    done = Done()
    start = hang
    transitions = (hang.done.to(done),)


async def lose_worker(former: Partition, killer: StartCommand) -> Partition:
    """The worker dies once the killer has run for a while, and another one takes over."""
    while former.state(killer.key, killer.id).nodes["hang"].held:
        former.now += PROMPT_LOSS
        assert former.suspects
        await former.cycle(*former.suspects.turn(), fold=False)
    await former.runner.close()
    heir = former.under(Flow)
    last_seen = former.now + LIFE
    heir.now = last_seen + timedelta(seconds=15)
    await heir.take_over(worker_lost=True, last_seen=last_seen)
    await heir.skip(timedelta(seconds=3))  # a retry falls due
    return heir


@pytest.mark.parametrize("killer_begins", ["first", "last", "with them"])
@pytest.mark.parametrize("innocents", [0, 1, 2, 7, 100])
async def test_only_the_run_of_the_step_that_kills_its_worker_fails(innocents: int, killer_begins: str) -> None:
    partition = Partition((Flow,))
    killer = start_command(Flow, "killer", None)
    others = [start_command(Flow, str(number), None) for number in range(innocents)]
    first, last = ([killer], others) if killer_begins == "first" else (others, [killer])
    await partition.send(*first)
    partition.now += timedelta(0) if killer_begins == "with them" else timedelta(seconds=10)
    await partition.send(*last)

    losses = 0
    while partition.state(killer.key, killer.id).is_live:
        partition = await lose_worker(partition, killer)
        losses += 1

    assert losses <= 2 * (3 + ceil(log2(innocents + 1)))
    assert [told.type for told in partition.history(killer.id)].count("step_failed") == 2
    for each in others:
        assert partition.state(each.key, each.id).nodes["hang"].attempt == 1
    await partition.runner.close()


async def test_a_thousand_suspects_all_run_again_within_ten_turns() -> None:
    suspects = Suspects(Suspect("flow::a", "1", str(number), 2, NOW) for number in range(1_000))
    turns = [suspects.turn() for _ in range(10)]
    assert not suspects
    assert sum(len(run.turn) for turn in turns for run in turn) == 1_000


async def test_one_partition_has_a_turn_at_a_time_and_a_clock_that_was_put_back_ends_it() -> None:
    turns = Turns()
    assert turns.take(NOW)
    assert not turns.take(NOW + PROMPT_LOSS / 2)
    assert turns.rest(NOW + PROMPT_LOSS / 2) == PROMPT_LOSS / 2
    assert turns.take(NOW + PROMPT_LOSS)
    assert turns.take(NOW - PROMPT_LOSS)
