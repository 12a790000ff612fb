"""Answers for all partitions: each owner is asked for its own, and what they say is put together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar

from pydantic import BaseModel

from hephaestus_stream.cycle.paging import add, decode_cursor, merge
from hephaestus_stream.errors import PartitionUnavailableError
from hephaestus_stream.runtime.queries.directory import Directory, Member
from hephaestus_stream.runtime.queries.owned import OwnedReads
from hephaestus_stream.runtime.queries.peer import Parameters, Peers, found, instance_path, lacking
from hephaestus_stream.runtime.queries.reads import COUNT_SECONDS, READ_SECONDS
from hephaestus_stream.wire.instance import HistoryPage, InstanceCounts, InstancePage, InstanceView, Unavailable
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery

ModelT = TypeVar("ModelT", bound=BaseModel)

_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.3
"""Between two looks for the owner of a key: partitions change hands within a second, mostly."""


class RoutedReads:
    """Implements `InstanceReads` for all partitions; see there for arguments and errors.

    Args:
        owned: What this worker answers itself.
        directory: Who owns what.
        peers: The other workers.
        partitions: How many partitions there are.
    """

    def __init__(self, owned: OwnedReads, directory: Directory, peers: Peers, *, partitions: int) -> None:
        self._owned = owned
        self._directory = directory
        self._peers = peers
        self._partitions = range(partitions)

    async def get(
        self, key: str, *, workflow: str | None = None, run: str | None = None, minimum: int | None = None
    ) -> InstanceView:
        """One run."""
        return await self._of_key(
            key,
            InstanceView,
            instance_path(key),
            {"workflow": workflow or "", "run": run or "", "minimum": "" if minimum is None else minimum},
            lambda: self._owned.get(key, workflow=workflow, run=run, minimum=minimum),
        )

    async def page(self, query: InstanceQuery, *, partitions: Collection[int] | None = None) -> InstancePage:
        """A page of the instances that fit."""
        if query.cursor is not None:
            decode_cursor(query.cursor, query.order)
        parameters = query.model_dump(mode="json", exclude_defaults=True)
        answers, unavailable = await self._of_all(
            InstancePage,
            "/instances",
            parameters,
            lambda own: self._owned.page(query, partitions=own),
            partitions,
        )
        lacking_page = InstancePage(instances=(), unavailable=unavailable)
        return merge([*answers, lacking_page], order=query.order, limit=query.limit)

    async def count(
        self, which: InstanceFilter, *, by: Collection[CountBy] = (), partitions: Collection[int] | None = None
    ) -> InstanceCounts:
        """How many instances fit."""
        parameters = {**which.model_dump(mode="json", exclude_defaults=True), "by": tuple(by)}
        answers, unavailable = await self._of_all(
            InstanceCounts,
            "/counts",
            parameters,
            lambda own: self._owned.count(which, by=by, partitions=own),
            partitions,
            seconds=COUNT_SECONDS,
        )
        return add([*answers, InstanceCounts(total=0, unavailable=unavailable)])

    async def history(
        self, key: str, *, workflow: str | None = None, run: str | None = None, after: int = 0, limit: int = 200
    ) -> HistoryPage:
        """The events of a run."""
        return await self._of_key(
            key,
            HistoryPage,
            f"{instance_path(key)}/history",
            {"workflow": workflow or "", "run": run or "", "after": after, "limit": limit},
            lambda: self._owned.history(key, workflow=workflow, run=run, after=after, limit=limit),
        )

    async def _of_key(
        self,
        key: str,
        model: type[ModelT],
        path: str,
        parameters: Parameters,
        ask_own: Callable[[], Awaitable[ModelT]],
    ) -> ModelT:
        """Asks the owner of a key; while partitions change hands, whoever is the owner a moment later."""
        partition = partition_for(key.encode(), len(self._partitions))
        for _ in range(_TRIES - 1):
            try:
                return await self._once(partition, model, path, parameters, ask_own)
            except PartitionUnavailableError:
                await asyncio.sleep(_PAUSE_SECONDS)
        return await self._once(partition, model, path, parameters, ask_own)

    async def _once(
        self,
        partition: int,
        model: type[ModelT],
        path: str,
        parameters: Parameters,
        ask_own: Callable[[], Awaitable[ModelT]],
    ) -> ModelT:
        owner = self._directory.owners().get(partition)
        if owner is None:
            raise PartitionUnavailableError(_ownerless([partition]))
        if owner.id == self._directory.own.id:
            return await ask_own()
        return found(await self._peers.ask(owner, path, model, partitions=[partition], parameters=parameters))

    async def _of_all(
        self,
        model: type[ModelT],
        path: str,
        parameters: Parameters,
        ask_own: Callable[[Collection[int]], Awaitable[ModelT]],
        partitions: Collection[int] | None,
        *,
        seconds: float = READ_SECONDS,
    ) -> tuple[list[ModelT], tuple[Unavailable, ...]]:
        """Asks each owner once; every partition is answered by one of them, or named."""
        owners = self._directory.owners()
        by_owner: dict[Member, list[int]] = defaultdict(list)
        ownerless: list[int] = []
        for partition in self._partitions if partitions is None else partitions:
            owner = owners.get(partition)
            if owner is None:
                ownerless.append(partition)
            else:
                by_owner[owner].append(partition)

        async def ask(owner: Member, asked: list[int]) -> ModelT | tuple[Unavailable, ...]:
            if owner.id == self._directory.own.id:
                return await ask_own(asked)
            return await self._peers.ask(owner, path, model, partitions=asked, parameters=parameters, seconds=seconds)

        answers = await asyncio.gather(*(ask(owner, asked) for owner, asked in by_owner.items()))
        missing = [each for answer in answers if isinstance(answer, tuple) for each in answer]
        return [answer for answer in answers if not isinstance(answer, tuple)], (*missing, *_ownerless(ownerless))


def _ownerless(partitions: Collection[int]) -> tuple[Unavailable, ...]:
    message = (
        "the group has given it to nobody: no worker runs, partitions change hands, or its owner is too old to say"
    )
    return lacking(partitions, "no_owner", message)
