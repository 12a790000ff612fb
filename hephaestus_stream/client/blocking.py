"""The client for programs without an event loop: the verbs of the async one, blocking."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Self, TypeVar, Unpack, overload

from hephaestus_stream.client.blocking_reader import Reader
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.options import Resuming, Starting, Steering, Via, reach_of, seconds_of
from hephaestus_stream.client.run import Published, Receipt, Run
from hephaestus_stream.client.transport import DEFAULT_REPEAT_AFTER, DEFAULT_TIMEOUT
from hephaestus_stream.client.verbs import (
    Call,
    cancelling,
    migrating,
    not_ended,
    resuming,
    skipping,
    starting,
    steering,
)
from hephaestus_stream.client.ways import transport_of
from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.encryption.key import KeyProvider
from hephaestus_stream.wire.command import Command, ContinueCommand, PauseCommand, RetryCommand, TerminateCommand
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.request import AnyWorkflow

InputT = TypeVar("InputT")
PayloadT = TypeVar("PayloadT")
ResultT = TypeVar("ResultT")


class Client(Reader):
    """Sends commands to the engine and blocks until its answers; many threads may share one client.

    with Client() as client:
        run = client.start(OrderFlow, "abc123", order)
        completion = client.wait(run)

    Arguments, verbs and errors are those of `AsyncClient`.
    """

    def __init__(
        self,
        connection: Connection | None = None,
        *,
        bootstrap: str | None = None,
        namespace: str | None = None,
        repeat_after: timedelta = DEFAULT_REPEAT_AFTER,
        keys: KeyProvider | None = None,
        api: str | None = None,
        api_token: str | None = None,
        via: Via | None = None,
    ) -> None:
        reach = reach_of(connection, bootstrap=bootstrap, namespace=namespace, keys=keys, via=via)
        super().__init__(reach, api=api, api_token=api_token)
        self._transport = transport_of(reach, repeat_after=repeat_after, api=self._api_place)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Connects, as `AsyncClient.open` does."""
        if not self._transport.is_open:
            self._transport.open()

    def close(self) -> None:
        """Sends what is left, then disconnects, as `AsyncClient.close` does."""
        self._close_api()
        self._transport.close()

    def start(
        self,
        workflow: type[Workflow[InputT]],
        id: str,  # noqa: A002 - the wire's own word
        payload: InputT,
        **options: Unpack[Starting],
    ) -> Run:
        """Starts a run, as `AsyncClient.start` does."""
        return self._perform(starting(workflow, id, payload, options))

    @overload
    def resume(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[None],
        **options: Unpack[Resuming],
    ) -> Receipt: ...
    @overload
    def resume(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[PayloadT],
        payload: PayloadT,
        **options: Unpack[Resuming],
    ) -> Receipt: ...
    def resume(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        event: NodeEvent[Any],
        payload: object = None,
        **options: Unpack[Resuming],
    ) -> Receipt:
        """Sends an event to a node, as `AsyncClient.resume` does."""
        return self._perform(resuming(workflow, id, event, payload, options))

    def migrate(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Resuming],
    ) -> Receipt:
        """Moves a run to the version of the class, as `AsyncClient.migrate` does."""
        return self._perform(migrating(workflow, id, options))

    def cancel(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Ends a run, as `AsyncClient.cancel` does."""
        return self._perform(cancelling(workflow, id, options))

    def retry(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Lets a failed or halted run go on, as `AsyncClient.retry` does."""
        return self._perform(steering(RetryCommand, workflow, id, options))

    def pause(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Lets nothing new begin in a run, as `AsyncClient.pause` does."""
        return self._perform(steering(PauseCommand, workflow, id, options))

    def continue_(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Lets a paused run go on, as `AsyncClient.continue_` does."""
        return self._perform(steering(ContinueCommand, workflow, id, options))

    @overload
    def skip_node(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[None],
        **options: Unpack[Steering],
    ) -> Receipt: ...
    @overload
    def skip_node(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[PayloadT],
        payload: PayloadT,
        **options: Unpack[Steering],
    ) -> Receipt: ...
    def skip_node(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        event: NodeEvent[Any],
        payload: object = None,
        **options: Unpack[Steering],
    ) -> Receipt:
        """Ends a node in place of its step, as `AsyncClient.skip_node` does."""
        return self._perform(skipping(workflow, id, event, payload, options))

    def terminate(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Ends a run at once, as `AsyncClient.terminate` does."""
        return self._perform(steering(TerminateCommand, workflow, id, options))

    @overload
    def wait(self, run: Run | Receipt, *, timeout: timedelta | None = None) -> Completion: ...
    @overload
    def wait(self, run: AnyWorkflow, id: str, *, timeout: timedelta | None = None) -> Completion: ...
    def wait(
        self,
        run: Run | Receipt | AnyWorkflow,
        id: str | None = None,  # noqa: A002 - as above
        *,
        timeout: timedelta | None = None,
    ) -> Completion:
        """Returns the end of a run, as `AsyncClient.wait` does."""
        seconds = None if timeout is None else seconds_of(timeout)
        self.open()
        future = self._transport.completion(run, id)
        try:
            return future.result(seconds)
        except TimeoutError:
            if not future.cancel():
                raise
            raise not_ended(run, id, timeout) from None

    def send(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Reply:
        """Sends a command and returns its answer, as `AsyncClient.send` does."""
        self.open()
        return self.submit(command, timeout=timeout).result()

    def submit(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Reply]:
        """Sends a command without waiting, as `AsyncClient.submit` does."""
        return self._transport.submit(command, timeout=timeout)

    def publish(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Published:
        """Sends a command without asking for an answer, as `AsyncClient.publish` does."""
        self.open()
        return self._transport.publish(command, timeout=timeout).result()

    def _perform(self, call: Call[ResultT]) -> ResultT:
        self.open()
        return call.read(call.send(self._transport).result())
