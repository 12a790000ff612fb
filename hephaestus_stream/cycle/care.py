"""What a new owner takes care of after a worker was lost: a step of the partition may be what killed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hephaestus_stream.core.limits import MAX_PROMPT_LOSSES
from hephaestus_stream.core.losses import is_suspect, is_under_watch, taken_over
from hephaestus_stream.core.state import NodeState
from hephaestus_stream.cycle.source import Source, TakenOver
from hephaestus_stream.cycle.suspects import Suspect, Suspects
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


@dataclass(frozen=True, slots=True)
class Orphans:
    """What a new owner finds.

    Attributes:
        taken_over: The runs that need its attention: steps of theirs were executed, or kept events could not be read.
        suspects: What of it is held.
        is_watched: Whether some that may be to blame begin at once: no turn may begin beside them.
    """

    taken_over: list[TakenOver]
    suspects: Suspects
    is_watched: bool


def orphans(tables: Tables, *, worker_lost: bool, last_seen: datetime | None = None) -> Orphans:
    """What needs a new owner's attention.

    Args:
        tables: The committed state.
        worker_lost: Whether the former owner went without closing.
        last_seen: When it committed for the last time.
    """
    runs: list[tuple[str, str]] = []
    suspects: list[Suspect] = []
    is_watched = False
    watched: list[tuple[str, str, str]] = []
    for key, run in _running(tables):
        runs.append((key, run))
        for node, before in _executed(tables, key, run):
            state = taken_over(before, worker_lost=worker_lost, last_seen=last_seen)
            is_watched = is_watched or 0 < state.prompt_losses < MAX_PROMPT_LOSSES
            if is_suspect(state):
                suspects.append(Suspect(key, run, node, state.prompt_losses, state.started_at))
            if is_under_watch(before, last_seen):
                watched.append((key, run, node))
    alone = watched[0] if worker_lost and len(watched) == 1 else ("", "", "")
    found = [
        TakenOver(key, run, worker_lost, last_seen, alone[2] if alone[:2] == (key, run) else None) for key, run in runs
    ]
    # What is to blame fails, and needs no turn.
    held = [each for each in suspects if (each.key, each.run, each.node) != alone or each.losses <= MAX_PROMPT_LOSSES]
    return Orphans(found, Suspects(held), is_watched)


def _running(tables: Tables) -> Iterator[tuple[str, str]]:
    after: bytes | None = None
    while page := tables.running(after=after, limit=_PAGE):
        yield from ((key, run) for _, key, run in page)
        after = page[-1][0]


def _executed(tables: Tables, key: str, run: str) -> Iterator[tuple[str, NodeState]]:
    state = tables.state(key, run)
    for node, each in state.nodes.items() if state else ():
        if each.status == "running":
            yield node, each
