"""What can be asked of instances, whoever answers: the owner of their partition, or a worker that asks the owners."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from hephaestus_stream.wire.instance import HistoryPage, InstanceCounts, InstancePage, InstanceView
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery

READ_SECONDS: Final = 4.0
"""For how long a partition is read for one question."""

COUNT_SECONDS: Final = 10.0
"""The same for a count."""


class InstanceReads(Protocol):
    """Reads of committed state, none of which holds a cycle up, or a shard that closes.

    All of them take milliseconds, but for a count by more than what is counted beforehand: that looks at each instance
    that may fit, for `COUNT_SECONDS`.

    Args of all:
        partitions: Those that are asked; None for all. One that cannot answer is named in the answer; where the answer
            is about one key it is a `PartitionUnavailableError`.
    """

    async def get(
        self, key: str, *, workflow: str | None = None, run: str | None = None, minimum: int | None = None
    ) -> InstanceView:
        """One run: the one that is named, else the live one that started last, else the one that ended last.

        Args:
            key: The whole key, as `orderid::abc123`.
            workflow: Where several workflows share the key.
            run: The run's id.
            minimum: The offset of a command that must have been applied: with the position of an answer, or of another
                view, no former owner of the partition can answer with the past.

        Raises:
            RunNotFoundError: The key has no such run, or it is not kept any more.
            PartitionUnavailableError: Nobody can say: the partition has no owner, it opens, or it is behind.
        """
        ...

    async def page(self, query: InstanceQuery, *, partitions: Collection[int] | None = None) -> InstancePage:
        """A page of the instances that fit, by the time of their start.

        Raises:
            InvalidCursorError: The cursor is none of ours.
        """
        ...

    async def count(
        self, which: InstanceFilter, *, by: Collection[CountBy] = (), partitions: Collection[int] | None = None
    ) -> InstanceCounts:
        """How many instances fit, by workflow, by status and by the node that they wait at, as asked for.

        A partition with too many that may fit is named as `busy`.
        """
        ...

    async def history(
        self,
        key: str,
        *,
        workflow: str | None = None,
        run: str | None = None,
        after: int = 0,
        limit: int = 200,
    ) -> HistoryPage:
        """The events of a run with a sequence above `after`; which run is meant, and what is raised, as in `get`."""
        ...
