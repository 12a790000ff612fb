"""The client for programs with an event loop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Self, TypeVar, Unpack, overload
from weakref import WeakKeyDictionary

from hephaestus_stream.client.asynchronous_reader import AsyncReader
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.landing import Landing
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


class AsyncClient(AsyncReader):
    """Sends commands to the engine and waits for its answers; many tasks may share one client.

    async with AsyncClient() as client:
        run = await client.start(OrderFlow, "abc123", order)
        completion = await client.wait(run)

    Without a connection the settings say where Kafka is: the environment, then `hephaestus.toml`. A command without an
    answer is repeated with the same id until its deadline, so that it takes effect once.

    Args:
        connection: Cluster and namespace, where a program has them already.
        bootstrap: The cluster's address, in place of that of the settings.
        namespace: The namespace, in place of that of the settings.
        repeat_after: When a command without an answer is repeated; the next time after twice as long, and so on.
        keys: Encrypts what is sent, and decrypts the results that come back; unless given, those of the settings, where
            the connection is that of the settings, too.
        api: Where workers answer over HTTP, which `get`, `list`, `count` and `history` ask; that of the settings unless
            given.
        api_token: The token that they want to see; that of the settings unless given.
        via: `http` sends commands to the workers as well, and `wait` asks them: for those who reach no Kafka. That of
            the settings unless given; with a connection `kafka`.

    Raises:
        SettingsError: A setting is wrong.
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
        self._landings: WeakKeyDictionary[asyncio.AbstractEventLoop, Landing] = WeakKeyDictionary()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connects, unless the client is connected; the first verb does so as well.

        Raises:
            BrokerUnreachableError: No broker answers within 8 s.
            TopicMismatchError: The topics are missing.
            ClientClosedError: The client was closed before.
        """
        if not self._transport.is_open:
            await asyncio.to_thread(self._transport.open)

    async def close(self) -> None:
        """Sends what is left, then disconnects; those who still wait see an error."""
        await self._close_api()
        await asyncio.to_thread(self._transport.close)

    async def start(
        self,
        workflow: type[Workflow[InputT]],
        id: str,  # noqa: A002 - the wire's own word
        payload: InputT,
        **options: Unpack[Starting],
    ) -> Run:
        """Starts a run of an id, and returns when the engine has recorded it.

        Raises:
            CommandRefusedError: The engine refused, for example since the id is running already.
            NoAnswerError: Nobody answered in time; the run may start all the same.
            CommandError: The payload does not fit the workflow's input, or is too large.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(starting(workflow, id, payload, options))

    @overload
    async def resume(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[None],
        **options: Unpack[Resuming],
    ) -> Receipt: ...
    @overload
    async def resume(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[PayloadT],
        payload: PayloadT,
        **options: Unpack[Resuming],
    ) -> Receipt: ...
    async def resume(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        event: NodeEvent[Any],
        payload: object = None,
        **options: Unpack[Resuming],
    ) -> Receipt:
        """Sends an event to a node of the id's live run; an early one is kept until the node waits for it.

        Raises:
            CommandRefusedError: The engine refused, for example since the run has ended.
            NoAnswerError: Nobody answered in time; the event may count all the same.
            CommandError: The payload does not fit the event, or is too large.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(resuming(workflow, id, event, payload, options))

    async def migrate(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Resuming],
    ) -> Receipt:
        """Moves the id's live run to the version of the class, if its graph lets the run be as it is.

        Waits and retries keep their due times; a step that is being executed is stopped, and begins its next attempt in
        the new version.

        Raises:
            CommandRefusedError: The engine refused: the message names what stands against it.
            NoAnswerError: Nobody answered in time; the run may have moved all the same.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(migrating(workflow, id, options))

    async def cancel(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Ends the id's live run as cancelled.

        Raises:
            CommandRefusedError: The engine refused, for example since there is no such run.
            NoAnswerError: Nobody answered in time; the run may be cancelled all the same.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(cancelling(workflow, id, options))

    async def retry(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Lets the id's failed run go on from the node that failed it, or its halted run from where it stands still.

        The failed step begins its next attempt, with its whole retry policy before it; steps that the failure
        interrupted begin theirs, and waits go on with the time that they had left.

        Raises:
            CommandRefusedError: The engine refused: nothing has failed (`not_retryable`), or another run has the key.
            NoAnswerError: Nobody answered in time; the run may go on all the same.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(steering(RetryCommand, workflow, id, options))

    async def pause(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Lets nothing new begin in the id's live run: attempts that run end, events are taken, and no timer fires.

        Raises:
            CommandRefusedError: The engine refused, for example since the run has ended.
            NoAnswerError: Nobody answered in time; the run may be paused all the same.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(steering(PauseCommand, workflow, id, options))

    async def continue_(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Lets the id's paused run go on; what became due meanwhile happens now.

        Raises:
            CommandRefusedError: The engine refused, for example since the run has ended.
            NoAnswerError: Nobody answered in time; the run may go on all the same.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(steering(ContinueCommand, workflow, id, options))

    @overload
    async def skip_node(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[None],
        **options: Unpack[Steering],
    ) -> Receipt: ...
    @overload
    async def skip_node(
        self,
        workflow: AnyWorkflow,
        id: str,
        event: NodeEvent[PayloadT],
        payload: PayloadT,
        **options: Unpack[Steering],
    ) -> Receipt: ...
    async def skip_node(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        event: NodeEvent[Any],
        payload: object = None,
        **options: Unpack[Steering],
    ) -> Receipt:
        """Ends a node of the id's run with an event that it declares, in place of its step, which is stopped.

        The node is one that is active, or the one that failed the run, which goes on then.

        Raises:
            CommandRefusedError: The engine refused, for example since the run has not come to the node.
            NoAnswerError: Nobody answered in time; the node may be skipped all the same.
            CommandError: The payload does not fit the event, or is too large.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(skipping(workflow, id, event, payload, options))

    async def terminate(
        self,
        workflow: AnyWorkflow,
        id: str,  # noqa: A002 - as above
        **options: Unpack[Steering],
    ) -> Receipt:
        """Ends the id's live run as `cancel` does; the code of its steps gets no time to clean up.

        Raises:
            CommandRefusedError: The engine refused, for example since there is no such run.
            NoAnswerError: Nobody answered in time; the run may be cancelled all the same.
            InvalidKeyError: The id cannot be part of a key.
        """
        return await self._perform(steering(TerminateCommand, workflow, id, options))

    @overload
    async def wait(self, run: Run | Receipt, *, timeout: timedelta | None = None) -> Completion: ...  # noqa: ASYNC109 - see below
    @overload
    async def wait(
        self,
        run: AnyWorkflow,
        id: str,
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - see below
    ) -> Completion: ...
    async def wait(
        self,
        run: Run | Receipt | AnyWorkflow,
        id: str | None = None,  # noqa: A002 - as above
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - a verb's deadline is its keyword, as in the blocking client
    ) -> Completion:
        """Returns the end of a run, however it ended, and whether it ends later or did so long ago.

        Given a workflow and an id instead of a run: the latest end of that id which is kept, else the next one. Where
        ids are used again, name the run. Given the receipt of a `retry`: the end that follows it. By HTTP, the end of
        an id's live run is waited for, if it has one.

        Raises:
            NotEndedError: The run has not ended in time.
            RunNotFoundError: By HTTP: it has ended, and is not kept any more.
        """
        seconds = None if timeout is None else seconds_of(timeout)
        await self.open()
        future = self._landing().bring(self._transport.completion(run, id))
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            if not future.cancelled():
                raise
            raise not_ended(run, id, timeout) from None

    async def send(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Reply:  # noqa: ASYNC109 - as above
        """Sends a command as it stands and returns the engine's answer, accepted or refused.

        Raises:
            NoAnswerError: Nobody answered in time; the command may still be applied.
            CommandError: The command is too large.
        """
        await self.open()
        return await self.submit(command, timeout=timeout)

    def submit(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> asyncio.Future[Reply]:
        """Sends a command without waiting: thousands may be under way, and each future gets its answer.

        Raises:
            ClientBusyError: 100,000 are under way; await some.
            ClientClosedError: The client is not open.
            CommandError: The command is too large.
        """
        return self._landing().bring(self._transport.submit(command, timeout=timeout))

    async def publish(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Published:  # noqa: ASYNC109 - as above
        """Sends a command without asking for an answer, and returns when the broker holds it.

        Raises:
            NoAnswerError: The broker did not confirm it in time; the command may still be applied.
            CommandError: The command is too large.
        """
        await self.open()
        return await self._landing().bring(self._transport.publish(command, timeout=timeout))

    def _landing(self) -> Landing:
        """The landing of the running loop; a client may be used from several."""
        loop = asyncio.get_running_loop()
        landing = self._landings.get(loop)
        if landing is None:
            landing = self._landings[loop] = Landing(loop)
        return landing

    async def _perform(self, call: Call[ResultT]) -> ResultT:
        await self.open()
        return call.read(await self._landing().bring(call.send(self._transport)))
