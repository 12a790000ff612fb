"""A whole event log, replayed: checked, published, answered, and told what came of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hephaestus_stream.eventlog.answers import MAX_UNANSWERED, Answers, Engine, publish
from hephaestus_stream.eventlog.log import EventLog
from hephaestus_stream.eventlog.outcome import Outcome, read_outcome
from hephaestus_stream.eventlog.row import read_rows
from hephaestus_stream.wire.connection import Connection

_BETWEEN_READINGS: Final = timedelta(seconds=1)
_PATIENCE: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of a log; after the same log once more it is the same, but for `duplicates` and `duration`.

    Attributes:
        started: Cases whose start was accepted.
        completed: Of these, those that have completed, as the completions tell.
        failed: Those that have failed.
        cancelled: Those that have been cancelled.
        waiting: Those that have not ended.
        taken: Events that were applied as they came.
        kept: Events that came before their node waited; each is taken or dropped later.
        refused: Commands that were refused, by reason.
        dead_letters: Commands that the engine put aside.
        duplicates: Commands that had been sent before, and had no further effect.
        duration: From the first command to the last answer.
    """

    started: int
    completed: int
    failed: int
    cancelled: int
    waiting: int
    taken: int
    kept: int
    refused: Mapping[str, int]
    dead_letters: int
    duplicates: int
    duration: timedelta

    @classmethod
    def of(cls, answers: Answers, outcome: Outcome, *, duration: timedelta) -> Replayed:
        """The sum of what the engine answered and published."""
        ends = Counter(outcome.ends.values())
        return cls(
            started=answers.started,
            completed=ends["completed"],
            failed=ends["failed"],
            cancelled=ends["cancelled"],
            waiting=len(answers.runs) - ends.total(),
            taken=answers.taken,
            kept=answers.kept,
            refused=dict(answers.refused.most_common()),
            dead_letters=outcome.dead_letters,
            duplicates=answers.duplicates,
            duration=duration,
        )

    @property
    def commands(self) -> int:
        """How many commands were sent and answered."""
        return self.started + self.taken + self.kept + sum(self.refused.values())


def check_log(log: EventLog[Any, Any], file: Path) -> int:
    """Reads a log to its end without sending anything, so that nothing of a damaged one is; returns its rows.

    Raises:
        EventLogError: The file, or a row in it, cannot be read.
    """
    return sum(1 for _ in log.commands(read_rows(file, required=log.columns)))


async def replay(
    log: EventLog[Any, Any],
    file: Path,
    *,
    engine: Engine,
    connection: Connection,
    max_unanswered: int = MAX_UNANSWERED,
    on_answer: Callable[[], None] = lambda: None,
) -> Replayed:
    """Publishes a log in its order, waits for all answers, and reads what came of it.

    Args:
        log: How the file's rows are read.
        file: CSV, gzipped or not.
        engine: Takes the commands; an open client.
        connection: Where the engine's completions and dead letters are read.
        max_unanswered: How many commands may be without an answer at a time.
        on_answer: Called after each answer.

    Raises:
        EventLogError: The file, or a row in it, cannot be read.
        NoAnswerError: A command was not answered in time.
        BrokerUnreachableError: No broker answers.
    """
    began = time.monotonic()
    commands = log.commands(read_rows(file, required=log.columns))
    answers = await publish(commands, engine, max_unanswered=max_unanswered, on_answer=on_answer)
    duration = timedelta(seconds=time.monotonic() - began)
    outcome = await settled(lambda: asyncio.to_thread(read_outcome, connection, answers))
    return Replayed.of(answers, outcome, duration=duration)


async def settled(
    reading: Callable[[], Awaitable[Outcome]],
    *,
    between: timedelta = _BETWEEN_READINGS,
    patience: timedelta = _PATIENCE,
) -> Outcome:
    """Reads an outcome until two readings tell the same, or the patience is over.

    The last answer is not the end: after an unclean restart steps end in later cycles than those that answered.

    Args:
        reading: Reads the outcome as it is now.
        between: The time from one reading to the next.
        patience: How long to read again, after which the last reading counts.
    """
    give_up_at = time.monotonic() + patience.total_seconds()
    outcome = await reading()
    while time.monotonic() < give_up_at:
        await asyncio.sleep(between.total_seconds())
        before, outcome = outcome, await reading()
        if outcome == before:
            break
    return outcome
