"""Plays the scenes: starts the runs, watches their history, and answers when they wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from hephaestus_stream.cli.demonstration.board import Board
from hephaestus_stream.cli.demonstration.history import read_history
from hephaestus_stream.cli.demonstration.scenes import CANCEL, Scene
from hephaestus_stream.client import AsyncClient
from hephaestus_stream.client.run import require_accepted
from hephaestus_stream.errors import HephaestusError
from hephaestus_stream.wire.command import CancelCommand, Command, ResumeCommand, StartCommand, new_id
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import HistoryRecord, Reply

PATIENCE: Final = timedelta(seconds=45)
TOO_LATE: Final = frozenset({"settled", "ended"})


class UnfinishedDemoError(HephaestusError):
    """Runs of the demo had not ended when its time was over."""


async def play(
    scenes: Sequence[Scene], connection: Connection, *, partitions: int, watch: Callable[[Board], None]
) -> Board:
    """Plays the scenes to their end.

    Args:
        scenes: What to play.
        connection: Where the worker works.
        partitions: How many partitions the topics have.
        watch: Called about ten times a second with what is known; it may raise to end the play.

    Raises:
        UnfinishedDemoError: Not every run has ended in time.
        CommandRefusedError: The engine refused a command, and not because it came too late.
    """
    board = Board((scene.workflow, scene.key) for scene in scenes)
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()), AsyncClient(connection) as client:
            await _Stage(scenes, board, client).play(connection, partitions=partitions, watch=watch)
    except BaseExceptionGroup as group:
        # One command that failed has stopped the others: it is the one to tell of.
        raise group.exceptions[0] from None
    except TimeoutError:
        late = ", ".join(f"{run.key} ({run.status})" for run in board.runs.values() if run.end is None)
        raise UnfinishedDemoError(
            f"after {PATIENCE.seconds} s these runs had not ended: {late}; the machine may be too busy, try once more"
        ) from None
    return board


class _Stage:
    def __init__(self, scenes: Sequence[Scene], board: Board, client: AsyncClient) -> None:
        self._scenes = {scene.key: scene for scene in scenes}
        self._board = board
        self._client = client

    async def play(self, connection: Connection, *, partitions: int, watch: Callable[[Board], None]) -> None:
        """Returns when the last run has ended and every command has its answer."""
        history = read_history(connection, partitions=partitions)
        async with asyncio.TaskGroup() as commands, aclosing(history) as batches:
            for scene in self._scenes.values():
                commands.create_task(self._send(_start(scene)))
            async for batch in batches:
                for record in batch:
                    self._board.add(record)
                    answer = self._answer(record)
                    if answer is not None:
                        commands.create_task(self._send(answer))
                watch(self._board)
                if self._board.is_over:
                    return

    async def _send(self, command: Command) -> None:
        require_accepted_or_late(command, await self._client.send(command))

    def _answer(self, record: HistoryRecord) -> Command | None:
        scene = self._scenes.get(record.key)
        if scene is None or record.type != "suspended" or record.node is None or record.node not in scene.answers:
            return None
        event, payload = scene.answers[record.node]
        if event == CANCEL:
            return CancelCommand(id=new_id(), workflow=scene.workflow, key=scene.key, reason=str(payload))
        return ResumeCommand(
            id=new_id(), workflow=scene.workflow, key=scene.key, node=record.node, event=event, payload=payload
        )


def require_accepted_or_late(command: Command, reply: Reply) -> None:
    """Returns where the command was accepted, or came after what it was for.

    On a busy machine a run's own timer may be faster than the demo's answer: the run goes another way, and is shown so.

    Raises:
        CommandRefusedError: It was refused for another reason.
    """
    if isinstance(command, StartCommand) or reply.reason not in TOO_LATE:
        require_accepted(reply)


def _start(scene: Scene) -> StartCommand:
    return StartCommand(id=new_id(), workflow=scene.workflow, key=scene.key, input=dict(scene.input))
