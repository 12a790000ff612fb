"""What waits for a shard's next cycle."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from hephaestus_stream.cycle.source import AttemptEnded, CommandRecord, Source, TakenOver

MAX_COMMANDS: Final = 4_000
"""From this many on the partition is not read; one fetch may still come on top."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of commands in one cycle, so that one transaction stays small; and of those that wait, as `MAX_COMMANDS`."""


class Mailbox:
    """Inputs in the order in which a cycle takes them: outcomes of steps first, since they end what is open."""

    def __init__(self) -> None:
        self._outcomes: deque[AttemptEnded] = deque()
        self._taken_over: deque[TakenOver] = deque()
        self._commands: deque[CommandRecord] = deque()
        self._command_bytes = 0
        self._filled = asyncio.Event()

    def put_outcome(self, outcome: AttemptEnded) -> None:
        """An attempt that outlived its cycle has ended."""
        self._outcomes.append(outcome)
        self._filled.set()

    def put_taken_over(self, runs: Sequence[TakenOver]) -> None:
        """Runs whose steps nobody executes."""
        self._taken_over.extend(runs)
        self._filled.set()

    def put_commands(self, records: Sequence[CommandRecord]) -> None:
        """Records of the topic, in their order."""
        self._commands.extend(records)
        self._command_bytes += sum(record.size for record in records)
        self._filled.set()

    def put_back(self, sources: Sequence[Source]) -> None:
        """What a cycle has left comes first in the next; timers are found again where they are kept."""
        for source in reversed(sources):
            match source:
                case AttemptEnded():
                    self._outcomes.appendleft(source)
                case TakenOver():
                    self._taken_over.appendleft(source)
                case CommandRecord():
                    self._commands.appendleft(source)
                    self._command_bytes += source.size
                case _:
                    pass
        if sources:
            self._filled.set()

    def __len__(self) -> int:
        return len(self._outcomes) + len(self._taken_over) + len(self._commands)

    @property
    def has_room(self) -> bool:
        """Whether the partition may be read."""
        return len(self._commands) < MAX_COMMANDS and self._command_bytes < MAX_BYTES

    @property
    def oldest_at(self) -> float | None:
        """When the command was appended that has waited longest; None where none waits."""
        try:
            return self._commands[0].timestamp / 1000
        except IndexError:  # perhaps taken just now: it is asked from other threads, too
            return None

    @property
    def has_commands(self) -> bool:
        """Whether commands were read that no cycle has taken."""
        return bool(self._commands)

    @property
    def has_taken_over(self) -> bool:
        """Whether runs wait to be taken over."""
        return bool(self._taken_over)

    @property
    def has_outcomes(self) -> bool:
        """Whether attempts have ended that no cycle has taken."""
        return bool(self._outcomes)

    def take(self, limit: int, *, outcomes_only: bool = False, one_of_a_key: bool = False) -> list[Source]:
        """The next inputs.

        Args:
            limit: How many at most; their commands may also have `MAX_BYTES` together.
            outcomes_only: Leave what would begin new work.
            one_of_a_key: Stop before a second command of a key, and take no command beside what is taken over.
        """
        taken: list[Source] = []
        while self._outcomes and len(taken) < limit:
            taken.append(self._outcomes.popleft())
        if not outcomes_only:
            while self._taken_over and len(taken) < limit:
                taken.append(self._taken_over.popleft())
            self._take_commands(taken, limit, one_of_a_key=one_of_a_key)
        if outcomes_only or not (self._taken_over or self._commands):
            self._filled.clear()
        if self._outcomes:
            self._filled.set()
        return taken

    def wake(self) -> None:
        """Ends a wait without an input."""
        self._filled.set()

    async def wait(self, seconds: float) -> None:
        """Returns when there is something, or when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        except TimeoutError:
            pass

    def _take_commands(self, taken: list[Source], limit: int, *, one_of_a_key: bool) -> None:
        size = 0
        keys: set[bytes | None] = set()
        while self._commands and len(taken) < limit and size < MAX_BYTES:
            if one_of_a_key and (self._commands[0].key in keys or len(taken) > len(keys)):
                break
            command = self._commands.popleft()
            keys.add(command.key)
            size += command.size
            taken.append(command)
        self._command_bytes -= size
