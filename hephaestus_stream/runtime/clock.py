"""The worker's clock, held against the brokers': a wrong one must not fire timers early or delete what is still kept.

Each commit brings back when a broker appended the position record. From then on the system's uptime tells what the
brokers' clocks show, so that a jump of this machine's clock is seen before anything is done by it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

_logger: Final = logging.getLogger(__name__)

TOLERANCE: Final = timedelta(seconds=5)
"""How far the clock may be from the brokers'."""

RECHECK: Final = timedelta(seconds=5)
"""How soon the brokers are asked again while the clock seems to be wrong."""


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


def uptime() -> float:
    """Seconds that no setting of the clock changes; time that the machine slept counts where the system tells it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Observation(NamedTuple):
    """A broker's clock showed `appended` at some moment from `sent` to `reported`, both in uptime."""

    appended: datetime
    sent: float
    reported: float


class WorkerClock:
    """What time it is, and whether that can be trusted; one for all shards of a worker, and of any thread.

    Args:
        wall: This machine's clock.
    """

    def __init__(self, wall: Callable[[], datetime] = utc_now) -> None:
        self._wall = wall
        self._observed: _Observation | None = None
        self._was_off = False

    def observe(self, appended: datetime, *, sent: float, reported: float) -> None:
        """A broker stamped a record between these two moments of `uptime`."""
        self._observed = _Observation(appended, sent, reported)

    @property
    def difference(self) -> timedelta:
        """How far the clock is ahead of the brokers' at least, negative where it is behind; zero where it may fit."""
        observed, now = self._observed, self._wall()
        if observed is None:
            return timedelta(0)
        elapsed = uptime()
        earliest = observed.appended + timedelta(seconds=elapsed - observed.reported)
        latest = observed.appended + timedelta(seconds=elapsed - observed.sent)
        return now - min(max(now, earliest), latest)

    @property
    def is_off(self) -> bool:
        """Whether the clock is too far from the brokers'."""
        return abs(self.difference) > TOLERANCE

    @property
    def needs_observation(self) -> bool:
        """Whether the brokers should be asked again, by any commit: it may be right again, or they may."""
        observed = self._observed
        return observed is not None and self.is_off and uptime() - observed.reported > RECHECK.total_seconds()

    def now(self) -> datetime:
        """The time to go by: while the clock is behind it is that of the brokers, lest a new timer is due too early."""
        difference = self.difference
        return self._wall() - difference if difference < -TOLERANCE else self._wall()

    @property
    def is_held_against_brokers(self) -> bool:
        """Whether a broker was ever heard; until then this machine's clock is all that there is."""
        return self._observed is not None

    def of_brokers(self) -> datetime:
        """What the brokers' clocks show, as far as is known: what the log and its databases are dated by."""
        return self._wall() - self.difference

    def check(self) -> bool:
        """Whether the clock can be trusted; tells in the log when that changes."""
        difference = self.difference
        is_off = abs(difference) > TOLERANCE
        if is_off and not self._was_off:
            where = "ahead of" if difference > timedelta(0) else "behind"
            _logger.warning(
                "this machine's clock is %.1f s %s the brokers': timers are held, nothing expires and the worker is "
                "not ready until it is right again; let NTP or chrony set it",
                abs(difference).total_seconds(),
                where,
            )
        if self._was_off and not is_off:
            _logger.info("this machine's clock is right again; timers go on")
        self._was_off = is_off
        return not is_off
