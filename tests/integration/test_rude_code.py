"""Users' code that does what no code should costs its own run: the worker, and all other runs, go on."""

from __future__ import annotations

from hephaestus_stream.wire.command import StartCommand
from tests.integration.checker import Topics, check_answers, check_everything
from tests.integration.rude_flows import MISCHIEF, RAISED
from tests.integration.workers import Publisher, Workers


def start(does: str, *, key: str) -> StartCommand:
    return StartCommand(id=f"run-{does}", workflow="Rudeness", key=f"rude::{key}", input={"does": does})


def test_whatever_a_step_a_model_or_a_route_does_the_worker_and_the_other_runs_go_on(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started(module="tests.integration.rude_flows")
    starts = {does: start(does, key=f"{number}") for number, does in enumerate(MISCHIEF)}
    refused = [start(f"validator {name}", key=name) for name in RAISED]

    publisher.send([*starts.values(), *refused])
    workers.until(lambda: len(topics.records("completions")) == len(starts), of=[worker])
    workers.until(lambda: len(check_answers(topics)) == len(starts) + len(refused), of=[worker])

    ended = {document["run"]: document["error"] for document in topics.documents("completions")}
    told = {does: ended[command.id] and ended[command.id]["type"] for does, command in starts.items()}
    assert told == {does: expected for does, (_, expected) in MISCHIEF.items()}
    answers = check_answers(topics)
    assert {answers[command.id]["reason"] for command in refused} == {"invalid_payload"}
    assert worker.stop() == 0
    check_everything(topics, runs={command.id for command in starts.values()})
