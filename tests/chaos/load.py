"""The load: stories that begin at an even rate, and a ledger of what was sent and heard."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from datetime import timedelta

from hephaestus_stream import AsyncClient
from hephaestus_stream.errors import HephaestusError
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import Reply
from tests.chaos.checker.ledger import Sent
from tests.chaos.story import Line, Story, Teller

# Longer than any fault; what is unanswered then is asked for again when all is quiet.
PATIENCE = timedelta(seconds=60)


class Load:
    """Tells stories to the engine.

    Args:
        connection: Where.
        seed: Which stories.
        rate: How many begin each second.
    """

    def __init__(self, connection: Connection, *, seed: int, rate: float) -> None:
        self._client = AsyncClient(connection, repeat_after=timedelta(seconds=2))
        self._seed = seed
        self._rate = rate
        self._stories: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Command] = {}
        self.ledger: dict[str, Sent] = {}
        self.sent = 0

    @property
    def answered(self) -> int:
        """How many commands have an answer."""
        return sum(each.answer is not None for each in self.ledger.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Begins stories until it is told to stop; then those that have begun are told to their end."""
        await self._client.open()
        for number in itertools.count():
            if stop.is_set():
                break
            self.begin(Teller(self._seed, number).tell())
            await asyncio.sleep(1 / self._rate)
        await self.told()

    def begin(self, story: Story) -> None:
        """Begins one story."""
        task = asyncio.create_task(self._tell(story))
        self._stories.add(task)
        task.add_done_callback(self._stories.discard)

    async def told(self) -> None:
        """Returns when all stories are told, and their commands answered or given up."""
        while self._stories:
            await asyncio.gather(*self._stories)

    async def ask_again(self, *, within: timedelta) -> None:
        """Sends every command again that has no answer: what it did, or did not, is told by the same id."""
        await self._client.open()
        silent = [self._commands[each.id] for each in self.ledger.values() if each.answer is None]
        async with asyncio.timeout(within.total_seconds()):
            await asyncio.gather(*(self._ask(command, timeout=within) for command in silent))

    async def close(self) -> None:
        await self._client.close()

    async def _tell(self, story: Story) -> None:
        asked: list[asyncio.Task[None]] = []
        for line in story:
            if line.patient and asked:
                await asyncio.wait({asked[-1]})
            await asyncio.sleep(line.after)
            self._remember(line)
            if line.asks:
                asked.append(asyncio.create_task(self._ask(line.command, timeout=PATIENCE)))
            else:
                asked.append(asyncio.create_task(self._publish(line.command)))
            # Let it be handed over, so that the lines of a key keep their order.
            await asyncio.sleep(0)
        if asked:
            await asyncio.wait(asked)

    def _remember(self, line: Line) -> None:
        command = line.command
        self._commands[command.id] = command
        entry = self.ledger.get(command.id)
        if entry is None:
            self.ledger[command.id] = Sent(command.key, command.id, command.type, endings=line.endings)
        else:
            entry.times += 1
        self.sent += 1

    async def _ask(self, command: Command, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - the client's own word
        entry, began = self.ledger[command.id], time.monotonic()
        try:
            reply: Reply = await self._client.send(command, timeout=timeout)
        except HephaestusError:
            return  # whether it counts is not known; it is asked for again in the end
        entry.confirmed = True
        if entry.answer is None:
            entry.answer = reply.model_dump(mode="json")
            entry.seconds = time.monotonic() - began

    async def _publish(self, command: Command) -> None:
        try:
            await self._client.publish(command, timeout=PATIENCE)
        except HephaestusError:
            return
        self.ledger[command.id].confirmed = True


def latencies(sent: Iterable[Sent]) -> list[float]:
    """How long answers took, the shortest first."""
    return sorted(each.seconds for each in sent if each.seconds is not None)
