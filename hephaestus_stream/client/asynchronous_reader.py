"""The reading half of the client for programs with an event loop: what the workers say about instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, TypeVar, Unpack
from weakref import WeakKeyDictionary

from hephaestus_stream.client.options import Reach
from hephaestus_stream.client.polled_watch import ASK_AGAIN_SECONDS, PolledWatch
from hephaestus_stream.client.question import Question
from hephaestus_stream.client.questions import (
    Filtering,
    counting,
    getting,
    listing,
    tell_missing,
    telling,
    whole,
)
from hephaestus_stream.client.run import Run
from hephaestus_stream.client.snapshot import InstanceSnapshot
from hephaestus_stream.client.transport import not_open
from hephaestus_stream.client.watch import watch_of
from hephaestus_stream.errors import ApiUnreachableError, HephaestusError
from hephaestus_stream.wire.instance import InstanceCounts, InstanceSummary
from hephaestus_stream.wire.output import HistoryRecord
from hephaestus_stream.wire.query import MAX_PAGE, CountBy, Order
from hephaestus_stream.wire.request import AnyWorkflow

if TYPE_CHECKING:
    from hephaestus_stream.client.api import AsyncApi

ResultT = TypeVar("ResultT")


class AsyncReader:
    """Asks the workers over HTTP; any of them answers for all partitions.

    Args:
        reach: How the engine is reached.
        api: Where workers answer; that of the settings unless given.
        api_token: The token that they want to see; that of the settings unless given.
    """

    def __init__(self, reach: Reach, *, api: str | None, api_token: str | None) -> None:
        self._reach = reach
        self._api_place = (api, api_token, reach.connection.namespace)
        self._apis: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncApi] = WeakKeyDictionary()
        self._is_closed = False

    async def _close_api(self) -> None:
        """Asks nothing more, and lets the connections of the running loop go."""
        self._is_closed = True
        api = self._apis.pop(asyncio.get_running_loop(), None)
        if api is not None:
            await api.close()

    async def get(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None = None,  # noqa: A002 - the wire's own word
        *,
        run: str | None = None,
        minimum: int | None = None,
    ) -> InstanceSnapshot:
        """Returns an instance as its owner has committed it: its nodes, results, waits, attempts and next timer.

        Args:
            workflow: The class, or its stored name with the full key as the id; or a `Run`, whose own position is the
                minimum then: no former owner of its partition answers with the past.
            id: The business value.
            run: Which run; else the live one that started last, else the one that ended last.
            minimum: The position of an answer that it must know of.

        Raises:
            RunNotFoundError: There is none, or it is not kept any more.
            PartitionUnavailableError: Nobody owned its partition for 10 s.
            ApiUnreachableError: No worker answers.
            ApiRefusedError: They want another token.
        """
        return await self._ask(getting(workflow, id, run=run, minimum=minimum, cipher=self._reach.cipher))

    async def list(
        self,
        workflow: AnyWorkflow | str | None = None,
        *,
        order: Order = "newest",
        partial: bool = False,
        **filtering: Unpack[Filtering],
    ) -> AsyncIterator[InstanceSummary]:
        """Yields the instances that fit, by the time of their start; pages are fetched as they are needed.

        Args:
            workflow: The class or its stored name; all unless given.
            order: Newest or oldest first.
            partial: Whether partitions that nobody can answer for are left out, which is logged.
            filtering: See `Filtering`.

        Raises:
            PartitionUnavailableError: Nobody owned a partition for 10 s, and `partial` is not set.
            ApiUnreachableError: No worker answers.
            ApiRefusedError: They want another token.
        """
        cursor: str | None = None
        while True:
            question = listing(workflow, filtering, order=order, limit=MAX_PAGE, cursor=cursor)
            page = await self._ask(question if partial else whole(question))
            tell_missing(page)
            for instance in page.instances:
                yield instance
            if (cursor := page.cursor) is None:
                return

    async def count(
        self,
        workflow: AnyWorkflow | str | None = None,
        *,
        by: CountBy | Iterable[CountBy] = (),
        partial: bool = False,
        **filtering: Unpack[Filtering],
    ) -> InstanceCounts:
        """Counts the instances that fit, by any of `workflow`, `status` and `node`; the rest is as in `list`."""
        question = counting(workflow, filtering, by=by)
        counts = await self._ask(question if partial else whole(question))
        tell_missing(counts)
        return counts

    async def history(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None = None,  # noqa: A002 - as above
        *,
        run: str | None = None,
        after: int = 0,
    ) -> AsyncIterator[HistoryRecord]:
        """Yields what has happened to an instance so far, in the order of the sequence, from behind `after` on.

        Which run is meant, and what is raised, is as in `get`.
        """
        while True:
            page = await self._ask(telling(workflow, id, run=run, after=after))
            for event in page.events:
                yield HistoryRecord.model_validate(event)
            if page.after is None:
                return
            run, after = page.run, page.after

    async def watch(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None = None,  # noqa: A002 - as above
        *,
        run: str | None = None,
    ) -> AsyncIterator[HistoryRecord]:
        """Yields the events of a run: those so far, then each as it is written, until the run has ended.

        They come from the topic, or with `via="http"` from the workers. Without an event of the run it waits for one.

        Args:
            workflow: The class, or its stored name with the full key as the id; or a `Run`.
            id: The business value.
            run: Which run; else the one that began last.

        Raises:
            BrokerUnreachableError: No broker answers.
            ApiUnreachableError: No worker answers, where they are asked.
            ClientClosedError: The client was closed before.
            RunNotFoundError: They told of the run, and it is not kept any more.
        """
        if self._reach.via == "http":
            async for event in self._watch_by_asking(workflow, id, run=run):
                yield event
            return
        if self._is_closed:
            raise not_open(was_closed=True)
        feed = watch_of(self._reach.connection, workflow, id, run=run)
        try:
            while True:
                told = await asyncio.to_thread(feed.read)
                if told == "ended":
                    return
                if told is not None:
                    yield told
        finally:
            await asyncio.to_thread(feed.close)

    async def _watch_by_asking(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None,  # noqa: A002 - as above
        *,
        run: str | None,
    ) -> AsyncIterator[HistoryRecord]:
        watch = PolledWatch(workflow, id, run=run)
        while not watch.is_over:
            try:
                page = await self._ask(watch.question)
            except HephaestusError as error:
                watch.fail(error)
            else:
                for event in watch.tell(page):
                    yield event
            if watch.rests and not watch.is_over:
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def _ask(self, question: Question[ResultT]) -> ResultT:
        try:
            return await self._api().ask(question)
        except (RuntimeError, ApiUnreachableError):
            if self._is_closed:  # by another task, meanwhile
                raise not_open(was_closed=True) from None
            raise

    def _api(self) -> AsyncApi:
        """The HTTP of the running loop.

        Raises:
            ClientClosedError: The client was closed.
        """
        if self._is_closed:
            raise not_open(was_closed=True)
        loop = asyncio.get_running_loop()
        api = self._apis.get(loop)
        if api is None:
            # Whoever sends commands alone needs no HTTP, which takes a tenth of a second to import.
            from hephaestus_stream.client.api import AsyncApi, api_place  # noqa: PLC0415 - as above

            api = self._apis[loop] = AsyncApi(api_place(*self._api_place))
        return api
