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

from hephaestus_stream.core.limits import MAX_CLOCK_DIFFERENCE

_logger: Final = logging.getLogger(__name__)

TOLERANCE: Final = MAX_CLOCK_DIFFERENCE
"""How far the clock may be from the brokers'."""

RECHECK: Final = timedelta(seconds=5)
"""How soon the brokers are asked again while the clock seems to be wrong."""


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


def uptime() -> float:
    """Seconds that no setting of the clock changes; time that the machine slept counts where the system tells it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_DRIFT: Final = 0.001
"""How much faster or slower than the brokers' clocks the uptime may go: twice what NTP lets a clock be slewed."""

_AMONG_BROKERS: Final = timedelta(seconds=1)
"""How far the clocks of two brokers may be from each other, and still be the brokers' clock."""


class Observation(NamedTuple):
    """A broker's clock showed `appended` at some moment from `sent` to `reported`, both in uptime."""

    appended: datetime
    sent: float
    reported: float

    def at(self, uptime: float) -> tuple[datetime, datetime]:
        """What the broker's clock shows at a moment, at the earliest and at the latest."""
        drift = _DRIFT * (uptime - self.reported)
        return (
            self.appended + timedelta(seconds=uptime - self.reported - drift),
            self.appended + timedelta(seconds=uptime - self.sent + drift),
        )

    def replaces(self, former: Observation) -> bool:
        """Whether it tells more than a former one: it is tighter by now, or contradicts that."""
        (earliest, latest), (least, most) = self.at(self.reported), former.at(self.reported)
        is_contradiction = earliest > most + _AMONG_BROKERS or latest < least - _AMONG_BROKERS
        return is_contradiction or latest - earliest <= most - least


class WorkerClock:
    """What time it is, and whether that can be trusted; one for all shards of a worker, and of any thread.

    Args:
        wall: This machine's clock.
    """

    def __init__(self, wall: Callable[[], datetime] = utc_now) -> None:
        self._wall = wall
        self._observed: Observation | None = None
        self._asked = 0.0
        self._was_off = False

    def observe(self, observation: Observation) -> None:
        """A broker stamped a record; one that took long tells less than what is known, and changes nothing."""
        self._asked = observation.reported
        if self._observed is None or observation.replaces(self._observed):
            self._observed = observation

    @property
    def difference(self) -> timedelta:
        """How far the clock is ahead of the brokers' at least, negative where it is behind; zero where it may fit."""
        observed, now = self._observed, self._wall()
        if observed is None:
            return timedelta(0)
        earliest, latest = observed.at(uptime())
        return now - min(max(now, earliest), latest)

    @property
    def is_off(self) -> bool:
        """Whether the clock is too far from the brokers'."""
        return abs(self.difference) > TOLERANCE

    @property
    def needs_observation(self) -> bool:
        """Whether the brokers should be asked again, by any commit: it may be right again, or they may."""
        return self.is_off and uptime() - self._asked > RECHECK.total_seconds()

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
