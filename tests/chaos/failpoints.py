"""Test switches of a worker: the product has none of them, they are put around its methods from outside.

A method that is not there any more is an `AttributeError` when the switch is installed, so none is without effect.
"""

# pyright: reportPrivateUsage=false
# A switch reaches into what it is put around.

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import wraps
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final, cast

from confluent_kafka import KafkaError, KafkaException

from hephaestus_stream.runtime import clock
from hephaestus_stream.runtime.changelog.following import Following
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.transaction import TransactionalProducer

Method = Callable[..., Any]
Action = Callable[[object], None]

_COMMITTING: Final = "committing"
_DELIVERED_WITHIN_SECONDS: Final = 10.0


class FailPoint(StrEnum):
    """Where a worker can be killed, in the order in which it passes them."""

    AFTER_INIT_TRANSACTIONS = "after-init-transactions"
    IN_REPLAY = "in-replay"
    """After each batch of the changelog that the database has taken; an empty changelog has none."""
    BEFORE_FIRST_POSITION = "before-first-position"
    BEFORE_PRODUCE = "before-produce"
    BEFORE_COMMIT = "before-commit"
    """All records of the transaction are with the broker, and it is open."""
    IN_COMMIT = "in-commit"
    """A moment after the commit was asked for."""
    AFTER_COMMIT = "after-commit"
    """Committed in Kafka, and the database does not know it."""
    AFTER_BATCH = "after-batch"
    """The database knows it, and no answer was sent."""


class Passings:
    """Counts how often a place was passed, by any thread."""

    def __init__(self, wanted: Collection[int]) -> None:
        self._wanted = frozenset(wanted)
        self._count = 0
        self._lock = threading.Lock()

    def is_wanted(self) -> bool:
        """Counts one more, and tells whether it is one of those that something is to happen at."""
        with self._lock:
            self._count += 1
            return self._count in self._wanted


class _Place(threading.local):
    """What the thread is about: the same producer commits cycles, first positions and closings."""

    in_cycle = False
    in_opening = False


_place: Final = _Place()


def kill_at(point: FailPoint, *, passing: int, delay: timedelta) -> None:
    """Lets the process kill itself when it passes a point for the n-th time, whichever partition that is about.

    Args:
        point: Where.
        passing: The number of the passing, from 1 on.
        delay: How long after the commit was asked for, `in-commit` alone.
    """
    passings = Passings((passing,))

    def pass_by(subject: object) -> None:
        if not passings.is_wanted():
            return
        if point is FailPoint.IN_COMMIT:
            threading.Timer(delay.total_seconds(), _kill, (point,)).start()
            return
        _deliver_at(point, subject)
        _kill(point)

    _tell_places_apart()
    _act_at(point, pass_by)


def freeze_at(point: FailPoint, *, passing: int) -> None:
    """Lets the process stop, as by SIGSTOP from outside, when it passes a point for the n-th time."""
    passings = Passings((passing,))

    def pass_by(subject: object) -> None:
        if passings.is_wanted():
            _deliver_at(point, subject)
            os.write(2, f"frozen {point}\n".encode())
            # Of the process it might reach another thread first, and this one commit meanwhile.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    _tell_places_apart()
    _act_at(point, pass_by)


def _deliver_at(point: FailPoint, subject: object) -> None:
    if point is FailPoint.BEFORE_COMMIT:
        cast(TransactionalProducer, subject)._producer.flush(_DELIVERED_WITHIN_SECONDS)


def _act_at(point: FailPoint, action: Action) -> None:
    match point:
        case FailPoint.AFTER_INIT_TRANSACTIONS:
            _after(TransactionalProducer, "open", action)
        case FailPoint.IN_REPLAY:
            _after(Following, "apply", action)
        case FailPoint.BEFORE_FIRST_POSITION:
            _before(TransactionalProducer, "commit", _if_opening(action))
        case FailPoint.BEFORE_PRODUCE:
            _before(TransactionalProducer, "_write", _if_cycle(action))
        case FailPoint.BEFORE_COMMIT | FailPoint.IN_COMMIT:
            _before_commit_is_asked_for(_if_cycle(action))
        case FailPoint.AFTER_COMMIT:
            _after(TransactionalProducer, "commit", _if_cycle(action))
        case FailPoint.AFTER_BATCH:
            _after(DurableShard, "commit", action)


def abort_commits(numbers: Collection[int]) -> None:
    """Lets commits of cycles meet an error after which a transaction must be aborted.

    Their numbers count over all partitions, from 1 on; a repeated commit is a further one.
    """
    passings = Passings(numbers)

    def time_out(_timeout: float) -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "aborted by a test", False, False, True))

    def around(sliced: Method) -> Method:
        @wraps(sliced)
        def may_fail(self: TransactionalProducer, call: Method, *, doing: str, **options: object) -> None:
            fails = doing == _COMMITTING and _place.in_cycle and passings.is_wanted()
            if fails:
                # Before the coordinator knows of a transaction, its abort is an error that ends the producer.
                self._producer.flush(_DELIVERED_WITHIN_SECONDS)
            sliced(self, time_out if fails else call, doing=doing, **options)

        return may_fail

    _tell_places_apart()
    _replace(TransactionalProducer, "_sliced", around)


def shift_clock(by: Path) -> None:
    """Lets shards see a clock that is off by the seconds that a file holds, read at each look; no file is no shift."""

    def now(tz: tzinfo = UTC) -> datetime:
        seconds = by.read_text() if by.exists() else ""
        return datetime.now(tz) + timedelta(seconds=float(seconds or 0))

    shifted = SimpleNamespace(now=now, fromtimestamp=datetime.fromtimestamp)
    _replace(clock, "datetime", lambda _real: shifted)


def _kill(point: FailPoint) -> None:
    os.write(2, f"killed {point}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
    # The signal may reach another thread first; this one goes no further.
    threading.Event().wait()


def _tell_places_apart() -> None:
    def in_cycle(commit: Method) -> Method:
        @wraps(commit)
        def commit_cycle(*args: object, **options: object) -> None:
            with _at(cycle=True):
                commit(*args, **options)

        return commit_cycle

    def in_opening(open_shard: Method) -> Method:
        @wraps(open_shard)
        def open_and_tell(*args: object, **options: object) -> object:
            with _at(opening=True):
                return open_shard(*args, **options)

        return open_and_tell

    _replace(DurableShard, "commit", in_cycle)
    _replace(DurableShard, "open", in_opening)


@contextmanager
def _at(*, cycle: bool = False, opening: bool = False) -> Generator[None]:
    _place.in_cycle, _place.in_opening = cycle, opening
    try:
        yield
    finally:
        _place.in_cycle = _place.in_opening = False


def _if_cycle(action: Action) -> Action:
    return lambda subject: action(subject) if _place.in_cycle else None


def _if_opening(action: Action) -> Action:
    return lambda subject: action(subject) if _place.in_opening else None


def _before_commit_is_asked_for(action: Action) -> None:
    def around(sliced: Method) -> Method:
        @wraps(sliced)
        def act_first(self: TransactionalProducer, call: Method, *, doing: str, **options: object) -> None:
            if doing == _COMMITTING:
                action(self)
            sliced(self, call, doing=doing, **options)

        return act_first

    _replace(TransactionalProducer, "_sliced", around)


def _before(owner: type | ModuleType, name: str, action: Action) -> None:
    def around(method: Method) -> Method:
        @wraps(method)
        def act_first(subject: object, *args: object, **options: object) -> object:
            action(subject)
            return method(subject, *args, **options)

        return act_first

    _replace(owner, name, around)


def _after(owner: type | ModuleType, name: str, action: Action) -> None:
    def around(method: Method) -> Method:
        @wraps(method)
        def act_last(subject: object, *args: object, **options: object) -> object:
            result: object = method(subject, *args, **options)
            action(subject)
            return result

        return act_last

    _replace(owner, name, around)


def _replace(owner: type | ModuleType, name: str, around: Callable[[Any], Any]) -> None:
    setattr(owner, name, around(getattr(owner, name)))
