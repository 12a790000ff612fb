"""A seeded load: starts, events, repetitions and cancels whose outcome is known, however often workers die."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.request import cancel_command, resume_command, start_command
from tests.integration.checker import Document, Topics, check_answers, check_everything
from tests.integration.flows import Journey, Stars, Trip
from tests.integration.workers import Publisher, Workers

PAYLOAD = Stars(stars=5)


@dataclass
class Load:
    """What was sent, in waves.

    Attributes:
        waves: What is sent at one moment; the event of a journey comes in any later wave.
        runs: The runs that must end, by their keys' ids.
        commands: Everything that was sent.
    """

    waves: list[list[Command]]
    runs: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def commands(self) -> list[Command]:
        return [command for wave in self.waves for command in wave]

    def send_wave(self, number: int, publisher: Publisher) -> None:
        """Sends a few at a time, so that a worker commits all the while."""
        for command in self.waves[number]:
            publisher.send([command])


def make_load(seed: int, *, journeys: int, waves: int) -> Load:
    """A load of journeys; some commands are sent twice, and one run in ten is cancelled."""
    chance = random.Random(seed)  # noqa: S311 - the same load each time
    load = Load([[] for _ in range(waves)])
    for number in range(journeys):
        name = f"{seed}-{number}"
        first = chance.randrange(waves)
        start = start_command(Journey, name, Trip(legs=1 + number, flaky=chance.random() < 0.4))
        load.runs[name] = start.id
        last = chance.randrange(first, waves)
        end = (
            cancel_command(Journey, name)
            if chance.random() < 0.1
            else resume_command(Journey, name, Journey.review.received, PAYLOAD)
        )
        load.waves[first].append(start)
        load.waves[last].append(end)
        if chance.random() < 0.3:
            load.waves[chance.randrange(first, waves)].append(start)
        if chance.random() < 0.3:
            load.waves[chance.randrange(last, waves)].append(end)
    return load


def await_endings(load: Load, topics: Topics, workers: Workers) -> None:
    workers.until(lambda: len(topics.records("completions")) >= len(load.runs))


def ask_again(load: Load, topics: Topics, publisher: Publisher, workers: Workers) -> dict[str, Document]:
    """Sends what was never answered again, since an answer may be lost; returns one answer for each command."""
    answered = {document["id"] for document in topics.documents("replies")}
    publisher.send(command for command in load.commands if command.id not in answered)
    wanted = {command.id for command in load.commands}
    workers.until(lambda: {document["id"] for document in topics.documents("replies")} >= wanted)
    return check_answers(topics)


def check_effects(load: Load, answers: dict[str, Document], histories: dict[str, list[Document]]) -> None:
    """Each command was accepted, and each event is in the history of its run once."""
    assert {answer["effect"] for answer in answers.values()} <= {"applied", "kept"}
    for command in {command.id: command for command in load.commands}.values():
        name = command.key.partition("::")[2]
        history = histories[load.runs[name]]
        assert answers[command.id]["run"] == load.runs[name]
        takings = [event for event in history if event["type"] in {"resumed", "cancelled"}]
        assert len(takings) == 1
        if command.type != "start":
            assert takings[0]["details"]["command"] == command.id


def check_load(load: Load, topics: Topics, publisher: Publisher, workers: Workers) -> dict[str, list[Document]]:
    """Everything that was sent had its effect once, and nothing else has happened; returns the histories by run."""
    await_endings(load, topics, workers)
    answers = ask_again(load, topics, publisher, workers)
    histories = check_everything(topics, runs=set(load.runs.values()))
    check_effects(load, answers, histories)
    return histories
