"""The reading half of the client for programs without an event loop: what the workers say about instances."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar, Unpack

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
    from hephaestus_stream.client.api import Api

ResultT = TypeVar("ResultT")


class Reader:
    """Asks the workers over HTTP, as `AsyncReader` does."""

    def __init__(self, reach: Reach, *, api: str | None, api_token: str | None) -> None:
        self._reach = reach
        self._api_place = (api, api_token, reach.connection.namespace)
        self._api: Api | None = None
        self._is_closed = False
        self._opening = threading.Lock()

    def _close_api(self) -> None:
        """Asks nothing more, and lets the connections go."""
        with self._opening:
            self._is_closed = True
            api, self._api = self._api, None
        if api is not None:
            api.close()

    def get(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None = None,  # noqa: A002 - the wire's own word
        *,
        run: str | None = None,
        minimum: int | None = None,
    ) -> InstanceSnapshot:
        """Returns an instance, as `AsyncClient.get` does."""
        return self._ask(getting(workflow, id, run=run, minimum=minimum, cipher=self._reach.cipher))

    def list(
        self,
        workflow: AnyWorkflow | str | None = None,
        *,
        order: Order = "newest",
        partial: bool = False,
        **filtering: Unpack[Filtering],
    ) -> Iterator[InstanceSummary]:
        """Yields the instances that fit, as `AsyncClient.list` does."""
        cursor: str | None = None
        while True:
            question = listing(workflow, filtering, order=order, limit=MAX_PAGE, cursor=cursor)
            page = self._ask(question if partial else whole(question))
            tell_missing(page)
            yield from page.instances
            if (cursor := page.cursor) is None:
                return

    def count(
        self,
        workflow: AnyWorkflow | str | None = None,
        *,
        by: CountBy | Iterable[CountBy] = (),
        partial: bool = False,
        **filtering: Unpack[Filtering],
    ) -> InstanceCounts:
        """Counts the instances that fit, as `AsyncClient.count` does."""
        question = counting(workflow, filtering, by=by)
        counts = self._ask(question if partial else whole(question))
        tell_missing(counts)
        return counts

    def history(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None = None,  # noqa: A002 - as above
        *,
        run: str | None = None,
        after: int = 0,
    ) -> Iterator[HistoryRecord]:
        """Yields what has happened to an instance, as `AsyncClient.history` does."""
        while True:
            page = self._ask(telling(workflow, id, run=run, after=after))
            yield from map(HistoryRecord.model_validate, page.events)
            if page.after is None:
                return
            run, after = page.run, page.after

    def watch(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None = None,  # noqa: A002 - as above
        *,
        run: str | None = None,
    ) -> Iterator[HistoryRecord]:
        """Yields the events of a run until it has ended, as `AsyncClient.watch` does."""
        if self._reach.via == "http":
            yield from self._watch_by_asking(workflow, id, run=run)
            return
        if self._is_closed:
            raise not_open(was_closed=True)
        with closing(watch_of(self._reach.connection, workflow, id, run=run)) as feed:
            for event in feed:
                if event is not None:
                    yield event

    def _watch_by_asking(
        self,
        workflow: Run | AnyWorkflow | str,
        id: str | None,  # noqa: A002 - as above
        *,
        run: str | None,
    ) -> Iterator[HistoryRecord]:
        watch = PolledWatch(workflow, id, run=run)
        while not watch.is_over:
            try:
                page = self._ask(watch.question)
            except HephaestusError as error:
                watch.fail(error)
            else:
                yield from watch.tell(page)
            if watch.rests and not watch.is_over:
                time.sleep(ASK_AGAIN_SECONDS)

    def _ask(self, question: Question[ResultT]) -> ResultT:
        try:
            return self._open_api().ask(question)
        except (RuntimeError, ApiUnreachableError):
            if self._is_closed:  # by another thread, meanwhile
                raise not_open(was_closed=True) from None
            raise

    def _open_api(self) -> Api:
        """The HTTP of all threads.

        Raises:
            ClientClosedError: The client was closed.
        """
        with self._opening:
            if self._is_closed:
                raise not_open(was_closed=True)
            if self._api is None:
                # Whoever sends commands alone needs no HTTP, which takes a tenth of a second to import.
                from hephaestus_stream.client.api import Api, api_place  # noqa: PLC0415 - as above

                self._api = Api(api_place(*self._api_place))
            return self._api
