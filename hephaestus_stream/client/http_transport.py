"""Commands by HTTP: for those who reach a worker, and no Kafka."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from hephaestus_stream.client.api import ApiPlace, AsyncApi
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.options import seconds_of
from hephaestus_stream.client.questions import getting
from hephaestus_stream.client.run import Published, Receipt, Run
from hephaestus_stream.client.snapshot import InstanceSnapshot
from hephaestus_stream.client.transport import DEFAULT_TIMEOUT, not_open, which_id
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.command import sealed
from hephaestus_stream.errors import ApiUnreachableError, ClientClosedError, PartitionUnavailableError, RunNotFoundError
from hephaestus_stream.telemetry.sent import SentCommand
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.request import AnyWorkflow

ResultT = TypeVar("ResultT")

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


class HttpTransport:
    """One thread with an event loop of its own, so that its futures are those of the other transport.

    A request without an answer is repeated with the same command id until its deadline, so that it takes effect once.
    An end is waited for by asking again and again, less and less often.

    Args:
        place: Tells where workers answer; asked when it is opened.
        cipher: Seals payloads, and opens results.
    """

    def __init__(self, place: Callable[[], ApiPlace], *, cipher: Cipher) -> None:
        self._place = place
        self._cipher = cipher
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._api: AsyncApi | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._is_ending = False

    @property
    def is_open(self) -> bool:
        """Whether its thread runs; nothing is asked before the first verb."""
        return self._loop is not None

    def open(self) -> None:
        """Starts the thread.

        Raises:
            ClientClosedError: It was closed before.
            SettingsError: A setting is wrong.
        """
        with self._lock:
            if self._is_closed:
                raise not_open(was_closed=True)
            if self._loop is not None:
                return
            self._api = AsyncApi(self._place())
            loop = self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=loop.run_forever, name="hephaestus-http", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the thread; those who still wait see an error."""
        with self._lock:
            self._is_closed = True
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            if self._thread is not None:
                self._thread.join()
            loop.close()

    def submit(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Reply]:
        """Sends a command; the future gets the engine's answer, accepted or refused.

        Raises:
            ClientClosedError: It is not open.
            CommandError: The payload is no JSON.
        """
        api, seconds, secret = self._require_api(), seconds_of(timeout), sealed(command, self._cipher)
        span = SentCommand(command, topic="http")
        headers = {name: value.decode() for name, value in span.headers}
        future = self._run(api.send(secret, within=seconds, headers=headers))
        future.add_done_callback(span.answered)
        return future

    def publish(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Published]:
        """Sends a command; a worker answers when the engine has taken it in, or refused it, which is not told."""
        future = self.submit(command, timeout=timeout)
        published: Future[Published] = Future()

        def settle(answered: Future[Reply]) -> None:
            if published.set_running_or_notify_cancel():
                error = answered.exception()
                if error is not None:
                    published.set_exception(error)
                else:
                    reply = answered.result()
                    published.set_result(
                        Published(reply.partition, reply.position or 0, reply.at, position=reply.position)
                    )

        future.add_done_callback(settle)
        return published

    def completion(self, run: Run | Receipt | AnyWorkflow, id: str | None = None) -> Future[Completion]:  # noqa: A002 - the wire's own word
        """The end of a run; without one that of the live run of an id, else of its latest, else of its next one.

        Raises:
            ClientClosedError: It is not open.
        """
        if not isinstance(run, Run | Receipt) and id is None:
            raise which_id(run)
        return self._run(self._ended(run, id))

    async def _ended(self, run: Run | Receipt | AnyWorkflow, id: str | None) -> Completion:  # noqa: A002 - as above
        api, not_before = self._require_api(), run.not_before if isinstance(run, Receipt) else None
        question = getting(run, id, run=None, minimum=None, cipher=self._cipher)
        is_known = isinstance(run, Run | Receipt) and run.position is not None and run.run is not None
        pauses = AsyncRetrying(
            retry=retry_if_exception_type(_NotYetError),
            wait=wait_exponential(_FIRST_PAUSE, _LONGEST_PAUSE, exp_base=1.5, min=_FIRST_PAUSE),
        )
        has_answered = False
        async for attempt in pauses:
            with attempt:
                try:
                    found = await api.ask(question)
                except RunNotFoundError:
                    if is_known:
                        raise  # whoever answers has taken it in: it has ended, and is not kept any more
                    has_answered = True
                    raise _NotYetError from None
                except PartitionUnavailableError:
                    has_answered = True
                    raise _NotYetError from None
                except ApiUnreachableError:
                    if not has_answered:
                        raise
                    raise _NotYetError from None  # it is started again, perhaps
                if _has_ended(found, not_before):
                    return _completion_of(found)
                if found.finished_at is not None:
                    has_answered = True
                    raise _NotYetError  # a former end: that of the run, or of another one of the id
                # From now on no other run of the id is meant.
                question = getting(
                    found.workflow, found.key, run=found.run, minimum=found.position, cipher=self._cipher
                )
                has_answered = is_known = True
                raise _NotYetError
        raise AssertionError("it is tried for ever")  # pragma: no cover

    async def _end(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # what was sent just before has begun then, and can tell of its end
        others = asyncio.all_tasks(loop).difference({asyncio.current_task()})
        self._is_ending = True
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._api is not None:
            await self._api.close()

    def _require_api(self) -> AsyncApi:
        if self._api is None or self._loop is None:
            raise not_open(was_closed=self._is_closed)
        return self._api

    def _run(self, work: Coroutine[Any, Any, ResultT]) -> Future[ResultT]:
        with self._lock:  # so that `close` ends it, or it does not begin
            if self._loop is None:
                work.close()
                raise not_open(was_closed=self._is_closed)
            return asyncio.run_coroutine_threadsafe(self._told(work), self._loop)

    async def _told(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """What it returns; where the client is closed meanwhile, whoever waits is told so."""
        try:
            return await work
        except asyncio.CancelledError:
            if not self._is_ending:
                raise  # whoever waited has cancelled it
            raise ClientClosedError("the client was closed while it waited for an answer") from None


class _NotYetError(Exception):
    """The run lives."""


def _has_ended(found: InstanceSnapshot, not_before: datetime | None) -> bool:
    return found.finished_at is not None and (not_before is None or found.finished_at >= not_before)


def _completion_of(found: InstanceSnapshot) -> Completion:
    match found.status:
        case "completed" | "failed" | "cancelled":
            status = found.status
        case _:
            raise AssertionError(f"{found.key} is {found.status}, and has an end")
    return Completion(
        workflow=found.workflow,
        version=found.version,
        key=found.key,
        run=found.run,
        status=status,
        ended_at=found.ended_at,
        error=found.error,
        results={
            name: node.result
            for name, node in found.nodes.items()
            if node.event is not None and node.status != "failed"
        },
        started_at=found.started_at,
        at=found.finished_at or found.updated_at,
        sequence=found.sequence,
    )
