"""What a new owner takes care of after a worker was lost: a step of the partition may be what killed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from hephaestus_stream.cycle.source import Source, TakenOver
from hephaestus_stream.cycle.tables import Tables

_INPUTS: Final = 1_000
"""As many as one cycle takes: the lost one began with some of the inputs that come first now."""

_DURATION: Final = timedelta(seconds=60)
_PAGE: Final = 1_000


class Care:
    """For a while no step is executed within its cycle, but only after the commit that tells it.

    Args:
        now: When the partition was taken over.
        worker_lost: Whether its former owner went without closing.
    """

    def __init__(self, now: datetime, *, worker_lost: bool) -> None:
        self._inputs = _INPUTS if worker_lost else 0
        self._until = now + _DURATION

    def is_needed(self, now: datetime) -> bool:
        """Whether steps begin only after a commit that tells it."""
        return self._inputs > 0 and now < self._until

    def committed(self, sources: Sequence[Source]) -> None:
        """These inputs killed nobody."""
        self._inputs -= sum(not isinstance(source, TakenOver) for source in sources)


def orphans(tables: Tables, *, worker_lost: bool, last_seen: datetime | None = None) -> list[TakenOver]:
    """The runs that need a new owner's attention: steps of theirs were executed, or kept events could not be read.

    Args:
        tables: The committed state.
        worker_lost: Whether the former owner went without closing.
        last_seen: When it committed for the last time.
    """
    found: list[tuple[str, str]] = []
    after: bytes | None = None
    while page := tables.running(after=after, limit=_PAGE):
        found += [(key, run) for _, key, run in page]
        after = page[-1][0]
    # Only where a step may be what killed the worker they are all read once more than they have to be.
    begun_last = max(_beginnings(tables, found), default=None) if worker_lost else None
    return [TakenOver(key, run, worker_lost, last_seen, begun_last) for key, run in found]


def _beginnings(tables: Tables, runs: Iterable[tuple[str, str]]) -> Iterator[datetime]:
    """When each attempt began that runs in them."""
    for key, run in runs:
        state = tables.state(key, run)
        for node in state.nodes.values() if state else ():
            if node.status == "running" and node.started_at is not None:
                yield node.started_at
