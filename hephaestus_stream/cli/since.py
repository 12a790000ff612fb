"""A time as an option takes it: so long ago, or an instant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from hephaestus_stream.errors import UsageError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(rf"([0-9]{{1,6}})([{''.join(_UNITS)}])")


def instant_of(argument: str, *, now: datetime, option: str = "--since") -> datetime:
    """The instant that `2h` or `2026-11-23T06:04` names; one without a zone is in UTC.

    Raises:
        UsageError: It names none.
    """
    ago = _AGO.fullmatch(argument)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(argument)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {argument!a} is no time: write how long ago, as 30m, 2h or 7d, or an instant, as "
            "2026-11-23T06:04"
        ) from None
