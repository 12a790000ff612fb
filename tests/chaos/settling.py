"""When a run of the harness is over: no run of a workflow has anything to do any more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tests.chaos.checker.documents import Event
from tests.chaos.checker.graph import Graph
from tests.chaos.checker.run_model import RunModel
from tests.chaos.checker.topics import Topics

# A timer that is due later is none that anybody waits for.
_HORIZON: Final = timedelta(hours=1)
_LOOK_SECONDS: Final = 1.0


class Settling:
    """Follows the histories, and knows which runs still have something to do."""

    def __init__(self, topics: Topics, graphs: dict[tuple[str, int], Graph]) -> None:
        self._topics = topics
        self._graphs = graphs
        self._live: dict[str, RunModel] = {}
        self._decoder = msgspec.json.Decoder(Event)

    async def settled(self, *, within: timedelta) -> bool:
        """Waits until nothing is left to do; False if that does not come about in time."""
        deadline = datetime.now(UTC) + within
        while await asyncio.to_thread(self.busy):
            if datetime.now(UTC) > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    def busy(self) -> int:
        """How many runs have something to do; blocks."""
        for record in self._topics.news("history"):
            event = self._decoder.decode(record.value or b"")
            model = self._live.get(event.run)
            if model is None:
                model = self._live[event.run] = RunModel(self._graphs[event.workflow, event.version])
            model.take(event)
            if model.status is not None:
                del self._live[event.run]
        return sum(_has_something_to_do(model) for model in self._live.values())


def _has_something_to_do(model: RunModel) -> bool:
    soon = datetime.now(UTC) + _HORIZON
    return any(
        node.status in {"running", "failing", "retrying", "choosing"}
        or (node.due_at is not None and node.due_at < soon)
        for node in model.nodes.values()
    )
