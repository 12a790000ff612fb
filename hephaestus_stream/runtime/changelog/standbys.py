"""The standbys of a worker: one thread for all of them, which never disturb what the worker owns."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from confluent_kafka import Message

from hephaestus_stream.errors import BrokerUnreachableError, ShardClosedError, StateLostError, StoppedError
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.reader import PATIENT, ChangelogReader
from hephaestus_stream.runtime.changelog.standby import Standby
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.wire.topics import Topics

_logger = logging.getLogger(__name__)

_BATCH: Final = 2_000
# How long a batch is waited for: it bounds how late a standby is let go of, and how often an idle thread wakes up.
_WAIT: Final = timedelta(milliseconds=100)
_REST: Final = timedelta(seconds=30)
"""How long a standby that failed is left alone."""
_SOON: Final = timedelta(seconds=1)
"""When a broker is asked again that did not answer for the log of a standby at once."""


class Standbys:
    """Follows the changelogs of partitions that other workers own, until it is told to let go of them.

    What it leaves in a folder is a database like any other, some way behind its changelog. Whoever opens it judges it
    and replays the rest, so that nothing depends on how far a standby came, or whether it worked at all.
    """

    def __init__(self, origin: Origin, clock: WorkerClock) -> None:
        self._origin = origin
        self._clock = clock
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._wanted: frozenset[int] = frozenset()
        self._standbys: dict[int, Standby] = {}
        self._opening: int | None = None
        self._rests: dict[int, float] = {}
        self._has_told = True
        self._lost: set[int] = set()
        self._thread: threading.Thread | None = None

    def follow(self, partitions: frozenset[int]) -> None:
        """Follows these partitions and no others from now on; returns at once."""
        with self._changed:
            self._wanted = partitions
            self._rests.clear()
            self._changed.notify_all()
        if partitions and self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="standbys", daemon=True)
            self._thread.start()

    def let_go(self, partitions: frozenset[int]) -> None:
        """Follows these partitions no more; when it returns, their databases are closed. It blocks for a moment."""
        with self._changed:
            self._wanted -= partitions
            self._changed.notify_all()
            self._changed.wait_for(lambda: not partitions & self._held)

    def behind(self) -> dict[int, int]:
        """How many offsets each standby has before it."""
        return {partition: standby.behind for partition, standby in self._standbys.copy().items()}

    def close(self) -> None:
        """Ends the thread, and closes all databases; blocks for a moment."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    @property
    def _held(self) -> frozenset[int]:
        """The partitions whose folders are in use here."""
        opening = () if self._opening is None else (self._opening,)
        return frozenset((*self._standbys, *opening))

    def _run(self) -> None:
        changelog = Topics(self._origin.connection.namespace).state
        reader = ChangelogReader(self._origin.connection, changelog, stop=self._stop, fetch_wait=PATIENT)
        questions = ChangelogReader(self._origin.connection, changelog, stop=self._stop)
        try:
            while not self._stop.is_set():
                self._settle(reader, questions)
                messages = reader.read(_BATCH, _WAIT)
                began = time.monotonic()
                self._take(messages, reader)
                self._confirm_next(reader)
                self._tell()
                # What the worker owns comes first: a copy that has much before it gets half of the time at most.
                self._stop.wait(min(time.monotonic() - began, _WAIT.total_seconds()))
        except Exception:
            # The worker goes on without; a takeover then replays more.
            _logger.exception("the standbys of this worker are given up until it starts again")
        finally:
            self._stop.set()
            self._close(frozenset(self._standbys))
            reader.close()
            questions.close()

    def _settle(self, reader: ChangelogReader, questions: ChangelogReader) -> None:
        """Closes what is not wanted, and opens one of those that are: the next one after the next batch."""
        with self._changed:
            if not self._wanted and not self._standbys:
                self._changed.wait_for(lambda: self._wanted or self._stop.is_set())
        unwanted = frozenset(self._standbys) - self._wanted
        self._close(unwanted)
        opened = self._open_next(reader, questions)
        if unwanted or opened:
            self._read_on(reader)

    def _open_next(self, reader: ChangelogReader, questions: ChangelogReader) -> bool:
        with self._changed:
            rested = (each for each in sorted(self._wanted) if self._rests.get(each, 0.0) <= time.monotonic())
            self._opening = partition = next((each for each in rested if each not in self._standbys), None)
        if partition is None:
            return False
        try:
            standby = Standby(self._origin, partition, reader=reader, questions=questions, clock=self._clock)
        except StateLostError as error:
            self._leave(partition, error)
            return False
        except (BrokerUnreachableError, ShardClosedError) as error:
            # A busy broker, for all that is known: it is not worth a warning, and the others come first.
            _logger.debug("the standby of partition %d begins later: %s", partition, error)
            self._rests[partition] = time.monotonic() + _SOON.total_seconds()
            return False
        except Exception as error:  # noqa: BLE001 - as below
            self._rest(partition, error)
            return False
        else:
            self._standbys[partition] = standby
            self._has_told = False
            return True
        finally:
            with self._changed:
                self._opening = None
                self._changed.notify_all()

    def _take(self, messages: Sequence[Message], reader: ChangelogReader) -> None:
        found: dict[int | None, list[Message]] = defaultdict(list)
        for message in messages:
            found[message.partition()].append(message)
        for partition, standby in tuple(self._standbys.items()):
            if partition in found:
                self._try(standby, partial(standby.take, found[partition]), reader)

    def _confirm_next(self, reader: ChangelogReader) -> None:
        """Confirms one at most, since each may take a moment in which nothing is let go of."""
        standby = next((standby for standby in self._standbys.values() if standby.is_due), None)
        if standby is not None:
            self._try(standby, standby.confirm, reader)

    def _try(self, standby: Standby, work: Callable[[], None], reader: ChangelogReader) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - no trouble of a copy may end the worker
            self._close(frozenset({standby.partition}))
            self._rest(standby.partition, error)
            self._read_on(reader)

    def _read_on(self, reader: ChangelogReader) -> None:
        reader.read_from({partition: standby.next_offset for partition, standby in self._standbys.items()})

    def _rest(self, partition: int, error: Exception) -> None:
        self._rests[partition] = time.monotonic() + _REST.total_seconds()
        if not isinstance(error, StoppedError):
            _logger.warning("the standby of partition %d begins anew in %s: %s", partition, _REST, error or repr(error))

    def _leave(self, partition: int, error: StateLostError) -> None:
        """Leaves a database alone that has what the brokers lost; the end may lag, so that it is looked at again."""
        self._rests[partition] = time.monotonic() + _REST.total_seconds()
        if partition not in self._lost:
            self._lost.add(partition)
            _logger.warning("partition %d has no standby here: %s", partition, error)

    def _close(self, partitions: frozenset[int]) -> None:
        for partition in partitions:
            try:
                self._standbys[partition].close()
            except Exception as error:  # noqa: BLE001 - as above; whoever opens it next judges it
                _logger.warning("the standby of partition %d was not closed in order: %s", partition, error)
            finally:
                with self._changed:
                    del self._standbys[partition]
                    self._changed.notify_all()

    def _tell(self) -> None:
        """Says once after each change that all of them are up to date."""
        standbys = self._standbys
        if self._has_told or self._wanted != standbys.keys() or not all(each.was_at_end for each in standbys.values()):
            return
        self._has_told = True
        _logger.info(
            "up to date: the standbys of the partitions %s, after %d records of the changelog",
            ", ".join(map(str, sorted(standbys))),
            sum(standby.count for standby in standbys.values()),
        )
