"""The engine's answers to the commands of an event log, counted while they come."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from hephaestus_stream.wire.command import Command, StartCommand
from hephaestus_stream.wire.output import Reply

MAX_UNANSWERED: Final = 2_000
"""Commands that may be without an answer at a time: enough to keep every shard busy, and a bound on memory."""


class Engine(Protocol):
    """Whoever takes commands and answers each: a client, or the engine itself in a test."""

    def submit(self, command: Command) -> asyncio.Future[Reply]:
        """Sends a command after all that were submitted before; the answer comes later."""
        ...


@dataclass(slots=True)
class Answers:
    """What the engine said to the commands, counted.

    Attributes:
        started: Starts that were accepted.
        taken: Events that were applied when they came.
        kept: Events that came before their node waited.
        refused: Refusals by reason.
        duplicates: Answers to commands that had been sent before, in whatever replay.
        runs: The runs that were started.
        commands: The ids of the commands.
        first_at: The time of the earliest answer; nothing that the engine did for these commands is older.
    """

    started: int = 0
    taken: int = 0
    kept: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    duplicates: int = 0
    runs: set[str] = field(default_factory=set[str])
    commands: set[str] = field(default_factory=set[str])
    first_at: datetime | None = None

    def count(self, command: Command, reply: Reply) -> None:
        """Counts an answer."""
        self.duplicates += reply.duplicate
        self.first_at = reply.at if self.first_at is None else min(self.first_at, reply.at)
        self.commands.add(command.id)
        if not reply.accepted:
            self.refused[reply.reason or "unknown"] += 1
        elif isinstance(command, StartCommand):
            self.started += 1
            self.runs.add(reply.run or command.id)
        elif reply.effect == "kept":
            self.kept += 1
        else:
            self.taken += 1


async def publish(
    commands: Iterable[Command],
    engine: Engine,
    *,
    max_unanswered: int = MAX_UNANSWERED,
    on_answer: Callable[[], None] = lambda: None,
) -> Answers:
    """Sends commands as fast as the engine takes them, and returns when it has answered all.

    Raises:
        HephaestusError: Whatever the engine's client raises for a command; nothing more is sent then.
    """
    answers = Answers()
    room = asyncio.Semaphore(max_unanswered)
    failures: list[BaseException] = []

    def answered(command: Command, future: asyncio.Future[Reply]) -> None:
        room.release()
        failure = asyncio.CancelledError() if future.cancelled() else future.exception()
        if failure is not None:
            failures.append(failure)
            return
        answers.count(command, future.result())
        on_answer()

    for command in commands:
        await room.acquire()
        if failures:
            raise failures[0]
        future = engine.submit(command)
        future.add_done_callback(partial(answered, command))
    for _ in range(max_unanswered):
        await room.acquire()
    if failures:
        raise failures[0]
    return answers
