"""Answers of a worker for the partitions that it owns: from what they have committed, beside their cycles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from hephaestus_stream.core.state import State
from hephaestus_stream.cycle import search, view
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.paging import add, decode_cursor, merge
from hephaestus_stream.errors import PartitionUnavailableError, StoppedError
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.queries.look import Look, LookTooLongError
from hephaestus_stream.runtime.queries.reads import COUNT_SECONDS, READ_SECONDS
from hephaestus_stream.wire.instance import HistoryPage, InstanceCounts, InstancePage, InstanceView, Unavailable
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery

ResultT = TypeVar("ResultT")

_THREADS: Final = 2
"""Reads beside each other; they share one interpreter with the cycles."""

MOST_LOOKS: Final = 2_000
"""Partitions that are read or wait for it, of all questions together."""


@dataclass(frozen=True, slots=True)
class OpenShard:
    """A shard that can be read.

    Attributes:
        store: What it has committed.
        profile: The shard's surroundings.
        position: The offset of `commands` below which all is applied in the store; it may know more by now.
    """

    store: Store
    profile: ShardProfile
    position: int


class Shards(Protocol):
    """The shards of one worker."""

    def readable(self, partition: int) -> OpenShard | Unavailable:
        """A shard that can be read, or why there is none."""
        ...


class OwnedReads:
    """Implements `InstanceReads` for the partitions of one worker; see there for arguments and errors.

    Args:
        shards: Those of the worker.
        partitions: How many partitions there are in all.

    Attributes:
        looks: What is being looked at, or waits for it.
    """

    def __init__(self, shards: Shards, *, partitions: int) -> None:
        self._shards = shards
        self._partitions = range(partitions)
        self._is_closed = False
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="reads")
        self.looks: set[Look] = set()

    async def get(
        self, key: str, *, workflow: str | None = None, run: str | None = None, minimum: int | None = None
    ) -> InstanceView:
        """One run."""

        def look(committed: Committed, shard: OpenShard) -> InstanceView:
            state = view.find(committed, key, workflow=workflow, run=run)
            return view.view(state, shard=shard.profile, position=shard.position - 1)

        return await self._of_key(key, look, minimum=minimum)

    async def page(self, query: InstanceQuery, *, partitions: Collection[int] | None = None) -> InstancePage:
        """A page of the instances that fit."""
        if query.cursor is not None:
            decode_cursor(query.cursor, query.order)

        def look(committed: Committed, _shard: OpenShard) -> InstancePage:
            return search.page(committed, query)

        pages = await self._of_all(look, partitions)
        lacking = InstancePage(instances=(), unavailable=tuple(each for each in pages if isinstance(each, Unavailable)))
        found = [each for each in pages if isinstance(each, InstancePage)]
        return merge([*found, lacking], order=query.order, limit=query.limit)

    async def count(
        self, which: InstanceFilter, *, by: Collection[CountBy] = (), partitions: Collection[int] | None = None
    ) -> InstanceCounts:
        """How many instances fit."""

        def look(committed: Committed, _shard: OpenShard) -> InstanceCounts:
            return search.count(committed, which, by)

        counts = await self._of_all(look, partitions, seconds=COUNT_SECONDS)
        lacking = InstanceCounts(total=0, unavailable=tuple(each for each in counts if isinstance(each, Unavailable)))
        return add([*(each for each in counts if isinstance(each, InstanceCounts)), lacking])

    async def history(
        self, key: str, *, workflow: str | None = None, run: str | None = None, after: int = 0, limit: int = 200
    ) -> HistoryPage:
        """The events of a run."""

        def look(committed: Committed, _shard: OpenShard) -> HistoryPage:
            state: State = view.find(committed, key, workflow=workflow, run=run)
            return view.history(committed, state, after=after, limit=limit)

        return await self._of_key(key, look)

    def close(self) -> None:
        """Begins no further reads, and ends those that are under way."""
        self._is_closed = True
        for look in self.looks:
            look.abandon()
        self._threads.shutdown(wait=False)

    async def _of_key(
        self, key: str, look: Callable[[Committed, OpenShard], ResultT], *, minimum: int | None = None
    ) -> ResultT:
        partition = partition_for(key.encode(), len(self._partitions))
        found = await self._read(partition, look, minimum=minimum)
        if isinstance(found, Unavailable):
            raise PartitionUnavailableError((found,))
        return found

    async def _of_all(
        self,
        look: Callable[[Committed, OpenShard], ResultT],
        partitions: Collection[int] | None,
        *,
        seconds: float = READ_SECONDS,
    ) -> list[ResultT | Unavailable]:
        asked = self._partitions if partitions is None else sorted(partitions)
        return list(await asyncio.gather(*(self._read(partition, look, seconds=seconds) for partition in asked)))

    async def _read(
        self,
        partition: int,
        look: Callable[[Committed, OpenShard], ResultT],
        *,
        minimum: int | None = None,
        seconds: float = READ_SECONDS,
    ) -> ResultT | Unavailable:
        """Looks at what is committed, in a thread: neither the event loop nor a cycle waits for it."""
        if self._is_closed:
            return Unavailable(partition=partition, reason="opening", message="its worker ends; another takes over")
        shard = self._shards.readable(partition)
        if isinstance(shard, Unavailable):
            return shard
        if minimum is not None and shard.position <= minimum:
            message = f"this worker has applied the commands below {shard.position}, and that of {minimum} is asked for"
            return Unavailable(partition=partition, reason="behind", message=message)
        if len(self.looks) >= MOST_LOOKS:
            message = "its owner has too many questions to answer: ask again later"
            return Unavailable(partition=partition, reason="busy", message=message)

        def look_at(committed: Committed) -> ResultT:
            return look(committed, shard)

        taken = Look(shard.store, seconds=seconds)
        self.looks.add(taken)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, taken.take, look_at)
        except StoppedError:
            message = "its shard was closed just now; another worker takes over"
            return Unavailable(partition=partition, reason="opening", message=message)
        except LookTooLongError:
            message = (
                f"its owner needs over {seconds:.0f} s for it: ask again later, or narrow the question by workflow, "
                "status, tag, node or the time of the start"
            )
            return Unavailable(partition=partition, reason="busy", message=message)
        finally:
            taken.abandon()
            self.looks.remove(taken)
