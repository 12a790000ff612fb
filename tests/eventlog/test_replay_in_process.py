from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hephaestus_stream.errors import NoAnswerError
from hephaestus_stream.eventlog.answers import Answers, publish
from hephaestus_stream.eventlog.row import read_rows
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.output import Reply
from tests.eventlog.engine_in_process import EngineInProcess
from tests.eventlog.receipt_model import expect, made_up_log, receipt_file
from workflows.permit import PermitFlow, receipt_log


async def test_the_engine_answers_the_log_as_a_count_from_the_file_alone_says(tmp_path: Path) -> None:
    file = receipt_file(tmp_path)
    expected = expect(file)
    engine = EngineInProcess(PermitFlow)

    answers = await _replay(file, engine)

    assert _counts(answers) == (expected.started, expected.taken, expected.kept, dict(expected.refused))
    assert dict(engine.ends) == {"completed": expected.completed}
    assert answers.duplicates == 0


async def test_a_made_up_log_is_answered_as_its_count_says_and_has_events_of_every_kind(tmp_path: Path) -> None:
    file = made_up_log(tmp_path / "log.csv", seed=3, cases=200)
    expected = expect(file)
    engine = EngineInProcess(PermitFlow)

    answers = await _replay(file, engine)

    assert _counts(answers) == (expected.started, expected.taken, expected.kept, dict(expected.refused))
    assert dict(engine.ends) == {"completed": expected.completed}
    assert set(answers.refused) == {"ended", "unknown_node", "settled"}
    assert 0 < expected.completed < expected.started
    assert answers.kept


async def test_the_same_log_again_is_answered_alike_and_changes_nothing(tmp_path: Path) -> None:
    file = made_up_log(tmp_path / "log.csv", seed=3, cases=50)
    engine = EngineInProcess(PermitFlow)
    first = await _replay(file, engine)
    ends = dict(engine.ends)

    second = await _replay(file, engine)

    assert _counts(second) == _counts(first)
    assert (second.runs, second.commands, second.first_at) == (first.runs, first.commands, first.first_at)
    assert second.duplicates == len(second.commands)
    assert dict(engine.ends) == ends


async def test_only_so_many_commands_are_without_an_answer_at_a_time(tmp_path: Path) -> None:
    file = made_up_log(tmp_path / "log.csv", seed=3, cases=50)
    engine = EngineInProcess(PermitFlow)

    await publish(receipt_log.commands(read_rows(file)), engine, max_unanswered=7)

    assert engine.most_unanswered == 7


async def test_each_answer_is_told_of(tmp_path: Path) -> None:
    file = made_up_log(tmp_path / "log.csv", seed=3, cases=5)
    told: list[None] = []

    answers = await publish(
        receipt_log.commands(read_rows(file)), EngineInProcess(PermitFlow), on_answer=lambda: told.append(None)
    )

    assert len(told) == len(answers.commands)


class DeafEngine:
    """Answers its first two commands with the error of a client whose deadline is over, and later ones never."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, command: Command) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.submitted += 1
        if self.submitted <= 2:
            future.set_exception(NoAnswerError("no answer in time", command_id=command.id))
        return future


async def test_a_command_that_gets_no_answer_ends_the_replay(tmp_path: Path) -> None:
    file = made_up_log(tmp_path / "log.csv", seed=3, cases=50)
    engine = DeafEngine()

    with pytest.raises(NoAnswerError):
        await publish(receipt_log.commands(read_rows(file)), engine, max_unanswered=10)

    assert engine.submitted <= 12


def _counts(answers: Answers) -> tuple[int, int, int, dict[str, int]]:
    return answers.started, answers.taken, answers.kept, dict(answers.refused)


async def _replay(file: Path, engine: EngineInProcess) -> Answers:
    return await publish(receipt_log.commands(read_rows(file)), engine)
