"""`hephaestus worker` with test switches: `python -m tests.chaos.worker MODULE ...`, with the same options.

CHAOS_FAIL_POINT=before-commit   kills the process where this point is passed; `failpoints.FailPoint` has the names
CHAOS_FAIL_AFTER=7               at its seventh passing; the first unless it is set
CHAOS_FAIL_DELAY=0.003           for `in-commit`: seconds from the asking to the kill, 0.002 unless it is set
CHAOS_FREEZE_POINT=before-produce   stops the process there until it gets a SIGCONT; CHAOS_FAIL_AFTER counts for it, too
CHAOS_WITHOUT=fencing            takes a protection away; `protections.PROTECTIONS` has the names
CHAOS_ABORT_COMMITS=3,4,9        the third, fourth and ninth commit of the process must be aborted and repeated
CHAOS_CLOCK_FILE=path            the shards' clock is off by the seconds that stand in this file, at any moment
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from hephaestus_stream.cli.app import main
from tests.chaos.failpoints import FailPoint, abort_commits, freeze_at, kill_at, shift_clock
from tests.chaos.protections import take_away


def install(environment: Mapping[str, str]) -> None:
    """Puts all switches that an environment names around the product."""
    point, commits, clock = (environment.get(f"CHAOS_{name}") for name in ("FAIL_POINT", "ABORT_COMMITS", "CLOCK_FILE"))
    protection, freeze = environment.get("CHAOS_WITHOUT"), environment.get("CHAOS_FREEZE_POINT")
    if protection:
        take_away(protection)
    if freeze:
        freeze_at(FailPoint(freeze), passing=int(environment.get("CHAOS_FAIL_AFTER", "1")))
    if point:
        kill_at(
            FailPoint(point),
            passing=int(environment.get("CHAOS_FAIL_AFTER", "1")),
            delay=timedelta(seconds=float(environment.get("CHAOS_FAIL_DELAY", "0.002"))),
        )
    if commits:
        abort_commits({int(number) for number in commits.split(",")})
    if clock:
        shift_clock(Path(clock))


if __name__ == "__main__":
    install(os.environ)
    sys.argv[:] = ["hephaestus", "worker", *sys.argv[1:]]
    main()
