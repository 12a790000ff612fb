"""The commands that are under way: whom an answer is for, when to repeat, when to give up."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from hephaestus_stream.client.run import Published
from hephaestus_stream.errors import ClientBusyError
from hephaestus_stream.wire.output import Reply

ResultT = TypeVar("ResultT")

# As many as librdkafka's own queue holds.
MAX_UNDER_WAY: Final = 100_000
_WORTH_SWEEPING: Final = 1_000


@dataclass(slots=True, eq=False)
class Pending:
    """One command under way; its times are of the monotonic clock.

    Attributes:
        id: The command's id.
        key: Its business key.
        value: Its bytes; the same in each repetition.
        deadline: When the caller gives up.
        repeat_at: When to send it again if nobody has answered.
        pause: How long to wait after that; doubled each time.
        reply: Waits for the answer of the engine; None where nobody does.
        published: Waits for the broker; None where the answer is waited for.
        headers: What continues its trace; the same in each repetition.
        is_delivered: Whether the broker has it; until then the producer still tries, and a repetition is no help.
        is_done: Whether one of the threads has taken it to settle it.
    """

    id: str
    key: bytes
    value: bytes
    deadline: float
    repeat_at: float
    pause: float
    reply: Future[Reply] | None = None
    published: Future[Published] | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    is_delivered: bool = field(default=False, init=False)
    is_done: bool = field(default=False, init=False)

    @property
    def is_abandoned(self) -> bool:
        """Whether the caller waits no longer."""
        future = self.reply or self.published
        return future is not None and future.cancelled()

    def fail(self, error: Exception) -> None:
        """Lets the caller see an error."""
        if self.reply is not None:
            settle(self.reply, error)
        if self.published is not None:
            settle(self.published, error)


def settle(future: Future[ResultT], outcome: ResultT | Exception) -> None:
    """Ends a future, unless the caller has cancelled it meanwhile."""
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class Answer(NamedTuple, Generic[ResultT]):
    """An answer as it came in.

    Attributes:
        id: The id of the command that it answers.
        key: The business key; None where it names none.
        content: What is handed to those who wait.
    """

    id: str
    key: bytes | None
    content: ResultT


class PendingCommands:
    """All commands of a client that are under way; the threads of the client meet here.

    Whoever takes a command out settles it, outside the lock, and nobody else does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, list[Pending]] = {}
        self._count = 0
        self._due: list[tuple[float, int, Pending]] = []
        self._order = itertools.count()

    def add(self, pending: Pending) -> None:
        """Remembers a command; before it is sent, since the answer may be faster than the call.

        Raises:
            ClientBusyError: Too many are under way.
        """
        with self._lock:
            if self._count >= MAX_UNDER_WAY:
                raise ClientBusyError(
                    f"{MAX_UNDER_WAY:,} commands are under way without an answer: await some of them before more"
                )
            self._count += 1
            # The same id may be sent twice at once; one answer is for both.
            self._by_id.setdefault(pending.id, []).append(pending)
            self._schedule(pending)

    def take(self, pending: Pending) -> bool:
        """Takes one command out; False where somebody else has."""
        with self._lock:
            return self._take(pending)

    def awaited(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that somebody waits for; most are of other clients' commands.

        One call for many ids: each turn of the lock costs more than all the rest.
        """
        with self._lock:
            return {each for each in ids if each in self._by_id}

    def answered(self, answers: Iterable[Answer[ResultT]]) -> list[tuple[Pending, ResultT]]:
        """Takes out all that wait for these answers, each with its own; one call for many, as above."""
        with self._lock:
            return [
                (pending, answer.content)
                for answer in answers
                for pending in self._waiting_for(answer.id, answer.key)
                if self._take(pending)
            ]

    def overdue(self, now: float) -> tuple[list[Pending], list[Pending]]:
        """Takes out those whose deadline has passed; then names those that are to be sent again now."""
        late: list[Pending] = []
        repeated: list[Pending] = []
        with self._lock:
            while self._due and self._due[0][0] <= now:
                pending = heapq.heappop(self._due)[2]
                if pending.is_done:
                    continue
                if pending.is_abandoned:
                    self._take(pending)
                    continue
                if pending.deadline <= now:
                    self._take(pending)
                    late.append(pending)
                    continue
                if pending.is_delivered:
                    repeated.append(pending)
                pending.repeat_at = now + pending.pause
                pending.pause *= 2
                self._schedule(pending)
        return late, repeated

    def take_all(self) -> Iterable[Pending]:
        """Takes out everything, at the end."""
        with self._lock:
            everything = [pending for waiting in self._by_id.values() for pending in waiting]
            return [pending for pending in everything if self._take(pending)]

    def _waiting_for(self, id: str, key: bytes | None) -> list[Pending]:  # noqa: A002 - the wire's own word
        """Who waits for the answer to a command: the same id may be that of commands to several keys.

        An answer without a key is to a command that could not be read; it counts where it can be for one key only.
        """
        waiting = [pending for pending in self._by_id.get(id, ()) if pending.reply is not None]
        if key is None:
            return waiting if len({pending.key for pending in waiting}) == 1 else []
        return [pending for pending in waiting if pending.key == key]

    def _schedule(self, pending: Pending) -> None:
        at = pending.deadline if pending.reply is None else min(pending.deadline, pending.repeat_at)
        heapq.heappush(self._due, (at, next(self._order), pending))
        # What was answered stays in the heap until its time comes; at thousands a second that would be a leak.
        if len(self._due) > 2 * self._count + _WORTH_SWEEPING:
            self._due = [entry for entry in self._due if not entry[2].is_done]
            heapq.heapify(self._due)

    def _take(self, pending: Pending) -> bool:
        if pending.is_done:
            return False
        pending.is_done = True
        self._count -= 1
        waiting = self._by_id[pending.id]
        waiting.remove(pending)
        if not waiting:
            del self._by_id[pending.id]
        return True
