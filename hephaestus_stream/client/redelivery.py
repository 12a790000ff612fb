"""Sends the commands of dead letters again, and tells what came of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hephaestus_stream.client.kafka_transport import KafkaTransport
from hephaestus_stream.client.letter import Letter
from hephaestus_stream.core.answer import AnswerEffect
from hephaestus_stream.errors import NoAnswerError, NotReplayableError
from hephaestus_stream.wire.output import Reply

MOST_UNANSWERED: Final = 200
"""Commands of dead letters under way at a time: each may have close to a megabyte."""

Fate: TypeAlias = Literal["accepted", "refused", "unanswered", "left_out", "sendable"]


@dataclass(frozen=True, slots=True)
class Redelivered:
    """What came of one letter.

    Attributes:
        place: Which.
        key: The business key, as far as it is known.
        fate: `accepted` or `refused` by the engine, `unanswered` in time, `left_out` since it holds no command that
            could be sent; `sendable` where nothing was to be sent.
        effect: Of an accepted command.
        reason: Of a refused one.
        message: What the engine says, or why it was left out.
        duplicate: Whether it had been accepted before, and took effect then.
    """

    place: str
    key: str | None
    fate: Fate
    effect: AnswerEffect | None = None
    reason: str | None = None
    message: str | None = None
    duplicate: bool = False


def redeliver(transport: KafkaTransport, letters: Iterable[Letter]) -> Iterator[Redelivered]:
    """Replays letters in their order, and tells of each in the same order.

    Args:
        transport: Open.
        letters: Which; taken as fast as they are answered.

    Raises:
        HephaestusError: The client cannot go on; what was sent until then has been told of, or may be replayed again.
    """
    waiting: deque[tuple[Letter, Future[Reply]]] = deque()
    for letter in letters:
        waiting.append((letter, _sent(transport, letter)))
        if len(waiting) >= MOST_UNANSWERED:
            yield _told(*waiting.popleft())
    while waiting:
        yield _told(*waiting.popleft())


def examine(letter: Letter) -> Redelivered:
    """What a replay would do with a letter, as far as that is known before."""
    try:
        letter.replayable()
    except NotReplayableError as error:
        return Redelivered(letter.place, letter.business_key, "left_out", message=str(error))
    return Redelivered(letter.place, letter.business_key, "sendable")


def _sent(transport: KafkaTransport, letter: Letter) -> Future[Reply]:
    try:
        return transport.replay(letter)
    except NotReplayableError as error:
        future: Future[Reply] = Future()
        future.set_exception(error)
        return future


def _told(letter: Letter, future: Future[Reply]) -> Redelivered:
    place, key = letter.place, letter.business_key
    try:
        reply = future.result()
    except NotReplayableError as error:
        return Redelivered(place, key, "left_out", message=str(error))
    except NoAnswerError as error:
        return Redelivered(place, key, "unanswered", message=error.problem)
    fate: Fate = "accepted" if reply.accepted else "refused"
    return Redelivered(place, key, fate, reply.effect, reply.reason, reply.message, reply.duplicate)
