"""Runs that are steered at random while their worker is killed: a command has its effect once, or none and says so."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest

from hephaestus_stream import AsyncClient, CommandRefusedError
from hephaestus_stream.client.options import Sending
from hephaestus_stream.client.run import Receipt, Run
from tests.integration.checker import Topics, check_histories
from tests.integration.flows import Stars, Trip
from tests.integration.steered_flows import Crate
from tests.integration.workers import Workers

FLOWS: Final = "tests.integration.steered_flows"
IDS: Final = [f"c{number}" for number in range(16)]
KILLS: Final = 2
MORE: Final = 200
"""Answers that the last worker gives."""

Eventually = Callable[[Callable[[], bool]], None]
Verb = Callable[[AsyncClient, str, Sending], Awaitable[Run | Receipt]]

VERBS: Final[dict[str, Verb]] = {
    "start": lambda client, id_, how: client.start(Crate, id_, Trip(), **how),
    "resume": lambda client, id_, how: client.resume(Crate, id_, Crate.look.received, Stars(stars=5), **how),
    "retry": lambda client, id_, how: client.retry(Crate, id_, **how),
    "pause": lambda client, id_, how: client.pause(Crate, id_, **how),
    "continue": lambda client, id_, how: client.continue_(Crate, id_, **how),
    "skip": lambda client, id_, how: client.skip_node(Crate, id_, Crate.stow.lifted, **how),
    "cancel": lambda client, id_, how: client.cancel(Crate, id_, **how),
    "terminate": lambda client, id_, how: client.terminate(Crate, id_, **how),
}
OFTEN: Final = (8, 8, 8, 4, 6, 3, 1, 1)
TOLD: Final = {
    "resume": {"resumed", "event_kept"},
    "retry": {"retried"},
    "pause": {"paused"},
    "continue": {"continued"},
    "skip": {"skipped", "retried"},  # the node that failed the run
    "cancel": {"cancelled"},
    "terminate": {"cancelled"},
}


@dataclass(frozen=True)
class Answered:
    """A command, and what was said of it; the answer is None where it was refused."""

    verb: str
    command: str
    answer: Run | Receipt | None


async def steer(client: AsyncClient, id_: str, over: asyncio.Event, answered: list[Answered]) -> None:
    """Sends one command after the other, and waits for its answer, whoever has to give it."""
    chance = random.Random(id_)  # noqa: S311 - the same load each time
    while not over.is_set():
        [verb] = chance.choices([*VERBS], OFTEN)
        command = uuid.UUID(int=chance.getrandbits(128)).hex
        answer: Run | Receipt | None = None
        try:
            answer = await VERBS[verb](client, id_, {"command_id": command, "timeout": timedelta(seconds=90)})
        except CommandRefusedError:
            await asyncio.sleep(0.02)
        answered.append(Answered(verb, command, answer))


async def steered(workers: Workers, chance: random.Random, eventually: Eventually) -> list[Answered]:
    """Everything that was sent and answered while a worker after the other was killed."""
    over, answered = asyncio.Event(), list[Answered]()
    worker = await asyncio.to_thread(workers.started, "one", module=FLOWS)
    async with AsyncClient(workers.connection) as client, asyncio.TaskGroup() as group:
        for id_ in IDS:
            group.create_task(steer(client, id_, over, answered))
        for kill in range(KILLS):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            worker.kill()
            # The last life begins without its database, and replays all of its changelog.
            data = "two" if kill == KILLS - 1 else "one"
            worker = await asyncio.to_thread(workers.started, data, module=FLOWS)
        enough = len(answered) + MORE
        await asyncio.to_thread(eventually, lambda: len(answered) >= enough)
        over.set()
    assert worker.stop() == 0
    return answered


@pytest.mark.parity(23)
def test_whatever_steers_a_run_while_its_worker_is_killed_stands_in_its_history_once(
    workers: Workers, topics: Topics, eventually: Eventually
) -> None:
    answered = asyncio.run(steered(workers, random.Random(1), eventually))  # noqa: S311 - the same moments each time

    histories = check_histories(topics)
    told: Counter[tuple[str, str, str]] = Counter()
    for run, history in histories.items():
        for event in history:
            details: dict[str, Any] = event["details"]
            if "command" in details and event["type"] not in {"event_dropped", "event_refused", "start_refused"}:
                told[run, details["command"], event["type"]] += 1
    begun = [each.answer.run for each in answered if each.verb == "start" and each.answer is not None]
    assert sorted(begun, key=str) == sorted(histories)
    wanted: dict[tuple[str | None, str], set[str]] = {
        (each.answer.run, each.command): TOLD[each.verb]
        for each in answered
        if each.answer is not None and each.verb != "start" and each.answer.effect in {"applied", "kept"}
    }
    assert {(run, command) for run, command, _ in told} == set(wanted)
    for (run, command, kind), number in told.items():
        assert (kind, number) in {(each, 1) for each in wanted[run, command]}
    assert {kind for _, _, kind in told} == set().union(*TOLD.values())
    # None of the kinds has come through by being refused always.
    assert {each.verb for each in answered if each.answer is not None} == set(VERBS)
    assert {each.verb for each in answered if each.answer is None} >= {"start", "retry", "skip"}
