"""The Simulator: the verbs of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, Unpack, cast, overload

from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.key import KeyProvider
from hephaestus_stream.errors import CommandError, CommandRefusedError, SimulatorError
from hephaestus_stream.testing.clock import VirtualClock, checked
from hephaestus_stream.testing.run import SimulatedRun
from hephaestus_stream.testing.runner import SimulatedRunner
from hephaestus_stream.testing.shard import SimulatedShard
from hephaestus_stream.testing.stub import Stub, Stubs
from hephaestus_stream.testing.used import remember
from hephaestus_stream.wire.command import Command, ContinueCommand, PauseCommand, RetryCommand, TerminateCommand
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.request import (
    PlainT,
    Told,
    cancel_command,
    migrate_command,
    resume_command,
    skip_command,
    start_command,
    steering_command,
)

InputT = TypeVar("InputT")
PayloadT = TypeVar("PayloadT")

# Any fixed moment does; a test that prints one should print the same one tomorrow.
_BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
_PATIENCE: Final = timedelta(seconds=5)


class Simulator:
    """Runs workflows in a test: each verb returns when all that can happen without time passing has happened.

    A step's code takes as long as it takes, and no virtual time: a verb waits for the steps that it began. One that
    does not end within `patience` is left `running`, and goes on beside the test; the next verb waits for it again.

    Args:
        workflows: Those that the worker has from the beginning; `start` adds the class that it is given.
        now: What the virtual clock shows first.
        commit_each_step: Whether each step begins only after a commit, and has a commit of its own for its outcome, so
            that a crash may come between any two. Otherwise a chain of steps is one commit, as far as it goes without
            waiting.
        patience: How long a verb waits for a step, in real time.
        keys: Encrypts payloads, as a worker and its clients do that have these keys; a run shows its results plain.

    Raises:
        SimulatorError: An argument makes no sense.
        DuplicateWorkflowError: Two of the classes have the same name and version.
    """

    def __init__(
        self,
        workflows: Iterable[type[Workflow[Any]]] = (),
        *,
        now: datetime = _BEGINNING,
        commit_each_step: bool = False,
        patience: timedelta = _PATIENCE,
        keys: KeyProvider | None = None,
    ) -> None:
        __tracebackhide__ = True
        self._clock = VirtualClock(now)
        self._stubs = Stubs()
        self._runner = SimulatedRunner(self._clock, self._stubs, patience=patience)
        self._cipher = (
            # A test that fails must show why.
            NO_KEYS if keys is None else Cipher(keys, seals_errors=False)
        )
        self._shard = SimulatedShard(self._clock, self._runner, fold=not commit_each_step, cipher=self._cipher)
        self._runs: dict[tuple[str, str], type[Workflow[Any]]] = {}
        # A test may call verbs side by side; a worker does one thing after the other.
        self._turn = asyncio.Lock()
        for workflow in workflows:
            self._shard.add(_checked(workflow))

    @property
    def now(self) -> datetime:
        """What the virtual clock shows; only `skip` moves it."""
        return self._clock.now

    @property
    def commits(self) -> int:
        """How many transactions have been committed; a crash may come before and after each of them."""
        return self._shard.commits

    @property
    def crashes(self) -> int:
        """How many workers were lost."""
        return self._shard.crashes

    def stub(self, node: Node, *stubs: Stub) -> None:
        """Replaces a node's code: its attempts end with these outcomes and exceptions one by one, the last repeats.

        A function is called as `execute` is, with instance, configuration and context, and `HANGS` never ends.

        Raises:
            SimulatorError: The node's step could not say that: it is another step's event, or a wrong payload.
        """
        __tracebackhide__ = True
        self._stubs.put(node, stubs)

    def unstub(self, node: Node) -> None:
        """Gives a node its own code back."""
        __tracebackhide__ = True
        self._stubs.drop(node)

    async def start(
        self,
        workflow: type[Workflow[InputT]],
        id: str,  # noqa: A002 - the wire's own word
        payload: InputT,
        *,
        tags: tuple[str, ...] = (),
        metadata: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = "reject",
        command_id: str | None = None,
    ) -> SimulatedRun:
        """Starts a run in the version of the class; the same `command_id` again gives the run that it started.

        Raises:
            CommandError: The payload does not fit the workflow's input.
            CommandRefusedError: The engine refused.
        """
        __tracebackhide__ = True
        await self._add(_checked(workflow))
        try:
            command = start_command(
                workflow, id, payload, command_id=command_id, tags=tags, metadata=metadata, on_conflict=on_conflict
            )
        except CommandError as error:
            raise error.with_traceback(None) from None  # the client's lines say nothing to a test
        reply = await self._ask(command)
        place = (command.key, reply.run or "")
        self._runs.setdefault(place, workflow)
        return self._snapshot(*place)

    @overload
    async def resume(self, run: SimulatedRun, event: NodeEvent[None]) -> SimulatedRun: ...
    @overload
    async def resume(self, run: SimulatedRun, event: NodeEvent[PayloadT], payload: PayloadT) -> SimulatedRun: ...
    async def resume(self, run: SimulatedRun, event: NodeEvent[Any], payload: object = None) -> SimulatedRun:
        """Sends an event from outside.

        Raises:
            CommandError: The payload does not fit the event.
            CommandRefusedError: The engine refused.
            SimulatorError: The event is none of the workflow's nodes, or the run is another simulator's.
        """
        __tracebackhide__ = True
        self._check_own(run)
        self._check_event(run, event)
        try:
            command = resume_command(run.workflow, run.id, event, payload, run=run.run)
        except CommandError as error:
            raise error.with_traceback(None) from None  # as above
        await self._ask(command)
        return self.get(run)

    async def migrate(self, run: SimulatedRun, workflow: type[Workflow[Any]]) -> SimulatedRun:
        """Moves a run to the version of a class.

        Raises:
            CommandRefusedError: The engine refused: that version cannot have brought the run to where it is.
            SimulatorError: The class is another workflow, or the run is another simulator's.
        """
        __tracebackhide__ = True
        self._check_own(run)
        name = run.workflow.definition.name
        if _checked(workflow).definition.name != name:
            other = workflow.definition.name
            raise SimulatorError(f"{run.key} runs {name}, and {workflow.__name__} is {other}; give a version of {name}")
        await self._add(workflow)
        await self._ask(migrate_command(workflow, run.id, run=run.run))
        self._runs[run.key, run.run] = workflow
        return self.get(run)

    async def deploy(self, *workflows: type[Workflow[Any]]) -> None:
        """The worker is closed in order, and one takes over that has these workflows and no others.

        Runs of versions that it lacks are parked: their events are kept, their timers held, until a worker that has
        the version is deployed, or `migrate` moves them. `start` and `migrate` give the worker their class as always.

        Raises:
            SimulatorError: One of them is no workflow.
            DuplicateWorkflowError: Two of them have the same name and version.
        """
        __tracebackhide__ = True
        checked = [_checked(workflow) for workflow in workflows]
        async with self._verb():
            await self._shard.deploy(checked)
            await self._shard.work()

    async def cancel(self, run: SimulatedRun, **told: Unpack[Told]) -> SimulatedRun:
        """Ends a run.

        Raises:
            CommandRefusedError: The engine refused.
            SimulatorError: The run is another simulator's.
        """
        __tracebackhide__ = True
        self._check_own(run)
        await self._ask(cancel_command(run.workflow, run.id, run=run.run, **told))
        return self.get(run)

    async def retry(self, run: SimulatedRun, **told: Unpack[Told]) -> SimulatedRun:
        """Lets a failed run go on from the node that failed it.

        Raises:
            CommandRefusedError: The engine refused: nothing has failed, or another run has the key.
            SimulatorError: The run is another simulator's.
        """
        __tracebackhide__ = True
        return await self._steer(RetryCommand, run, told)

    async def pause(self, run: SimulatedRun, **told: Unpack[Told]) -> SimulatedRun:
        """Lets nothing new begin in a run; what runs ends, events are taken, and no timer fires.

        Raises:
            CommandRefusedError: The engine refused.
            SimulatorError: The run is another simulator's.
        """
        __tracebackhide__ = True
        return await self._steer(PauseCommand, run, told)

    async def continue_(self, run: SimulatedRun, **told: Unpack[Told]) -> SimulatedRun:
        """Lets a paused run go on.

        Raises:
            CommandRefusedError: The engine refused.
            SimulatorError: The run is another simulator's.
        """
        __tracebackhide__ = True
        return await self._steer(ContinueCommand, run, told)

    async def terminate(self, run: SimulatedRun, **told: Unpack[Told]) -> SimulatedRun:
        """Ends a run as `cancel` does, and gives the code of its steps no time.

        Raises:
            CommandRefusedError: The engine refused.
            SimulatorError: The run is another simulator's.
        """
        __tracebackhide__ = True
        return await self._steer(TerminateCommand, run, told)

    @overload
    async def skip_node(self, run: SimulatedRun, event: NodeEvent[None], **told: Unpack[Told]) -> SimulatedRun: ...
    @overload
    async def skip_node(
        self,
        run: SimulatedRun,
        event: NodeEvent[PayloadT],
        payload: PayloadT,
        **told: Unpack[Told],
    ) -> SimulatedRun: ...
    async def skip_node(
        self,
        run: SimulatedRun,
        event: NodeEvent[Any],
        payload: object = None,
        **told: Unpack[Told],
    ) -> SimulatedRun:
        """Ends a node with an event that it declares, in place of its step; of a failed run the node that failed it.

        Raises:
            CommandError: The payload does not fit the event.
            CommandRefusedError: The engine refused, as for a node that the run has not come to.
            SimulatorError: The event is none of the workflow's nodes, or the run is another simulator's.
        """
        __tracebackhide__ = True
        self._check_own(run)
        self._check_event(run, event)
        try:
            command = skip_command(run.workflow, run.id, event, payload, run=run.run, **told)
        except CommandError as error:
            raise error.with_traceback(None) from None  # as above
        await self._ask(command)
        return self.get(run)

    @overload
    async def skip(self, run: timedelta | datetime, /) -> None: ...
    @overload
    async def skip(self, run: SimulatedRun, time: timedelta | datetime) -> SimulatedRun: ...
    async def skip(
        self, run: SimulatedRun | timedelta | datetime, time: timedelta | datetime | None = None
    ) -> SimulatedRun | None:
        """Lets time pass for all runs: `skip(run, timedelta(days=14))`, or `skip(run, until)`, or without a run.

        Timers, retries and timeouts of steps come one after the other, each at its own moment; nothing sleeps.

        Raises:
            SimulatorError: The time is negative or over already, or the run is another simulator's.
        """
        __tracebackhide__ = True
        own = self._check_own(run) if isinstance(run, SimulatedRun) else None
        end = self._moment(cast("timedelta | datetime", run if time is None else time))
        async with self._verb():
            while (moment := self._next_moment()) is not None and moment <= end:
                self._clock.now = max(self.now, moment)
                await self._runner.time_out()
                await self._shard.work()
            self._clock.now = end
            await self._shard.work()
            await self._shard.sweep()
        return None if own is None else self.get(own)

    @overload
    async def crash(self) -> None: ...
    @overload
    async def crash(self, run: SimulatedRun) -> SimulatedRun: ...
    async def crash(self, run: SimulatedRun | None = None) -> SimulatedRun | None:
        """The worker is lost, and with it the steps that run; a new one takes over and runs them again.

        Raises:
            SimulatorError: The run is another simulator's.
        """
        __tracebackhide__ = True
        own = None if run is None else self._check_own(run)
        async with self._verb():
            await self._shard.crash()
            await self._shard.work()
        return None if own is None else self.get(own)

    def crash_before_commit(self, number: int) -> None:
        """The worker will be lost before its `number`th commit from now, with all that was to be committed.

        It happens in the midst of a verb, which goes on with the new worker. Steps have run by then whose outcome is
        lost: their code runs again.

        Raises:
            SimulatorError: The number is below 1.
        """
        __tracebackhide__ = True
        self._shard.crash_before.add(self.commits + _counted(number))

    def crash_after_commit(self, number: int) -> None:
        """The worker will be lost after its `number`th commit from now, before it says or begins anything.

        Answers are lost: the command is sent again, with the same id. Steps that the commit tells of have not begun.

        Raises:
            SimulatorError: The number is below 1.
        """
        __tracebackhide__ = True
        self._shard.crash_after.add(self.commits + _counted(number))

    def get(self, run: SimulatedRun) -> SimulatedRun:
        """The run as it stands now, or stood when the worker forgot it: its retention may be over.

        Raises:
            SimulatorError: It is another simulator's.
        """
        __tracebackhide__ = True
        self._check_own(run)
        return self._snapshot(run.key, run.run)

    def runs(self) -> tuple[SimulatedRun, ...]:
        """All runs, in the order of their starts."""
        return tuple(self._snapshot(*place) for place in self._runs)

    async def _add(self, workflow: type[Workflow[Any]]) -> None:
        """Gives the worker a class that it may lack, when no other verb is at work."""
        __tracebackhide__ = True
        async with self._verb():
            self._shard.add(workflow)

    async def _steer(self, model: type[PlainT], run: SimulatedRun, told: Told) -> SimulatedRun:
        __tracebackhide__ = True
        self._check_own(run)
        await self._ask(steering_command(model, run.workflow, run.id, run=run.run, **told))
        return self.get(run)

    async def _ask(self, command: Command) -> Reply:
        """Sends a command, again and again if its answer is lost with a worker."""
        __tracebackhide__ = True
        async with self._verb():
            while command.id not in self._shard.replies:
                self._shard.append(command)
                await self._shard.work()
        reply = self._shard.replies.pop(command.id)
        if not reply.accepted:
            raise CommandRefusedError(reply.message or "", reason=reply.reason or "", run=reply.run)
        return reply

    @asynccontextmanager
    async def _verb(self) -> AsyncGenerator[None]:
        remember(self)
        async with self._turn:
            self._runner.wait_again()
            yield

    def _next_moment(self) -> datetime | None:
        moments = (self._shard.next_timer, self._runner.next_timeout)
        return min((moment for moment in moments if moment is not None), default=None)

    def _moment(self, time: timedelta | datetime) -> datetime:
        __tracebackhide__ = True
        end = self.now + time if isinstance(time, timedelta) else checked(time, of="skip")
        if end < self.now:
            raise SimulatorError(f"skip cannot go back from {self.now} to {end}; time passes forward only")
        return end

    def _check_own(self, run: SimulatedRun) -> SimulatedRun:
        __tracebackhide__ = True
        if not isinstance(cast("object", run), SimulatedRun):
            raise SimulatorError(f"{run!r} is no run; give what start or another verb returned")
        if run.simulator is not self:
            raise SimulatorError(f"{run.key} runs in another simulator; call the verbs of the one that started it")
        return run

    def _check_event(self, run: SimulatedRun, event: NodeEvent[Any]) -> None:
        """Refuses a node of another workflow: by its name alone it could be taken for one of the run's."""
        __tracebackhide__ = True
        if not isinstance(cast("object", event), NodeEvent):
            raise SimulatorError(f"{event!r} is no event of a node; write it as OrderFlow.review.received")
        name, node = run.workflow.definition.name, event.node
        versions = [run.workflow.definition, *(each for each in self._shard.catalog if each.name == name)]
        if not any(each.nodes.get(node.node_name) is node for each in versions):
            whose = f"a node of {node.workflow_name}" if node.workflow_name else "a node of no workflow"
            raise SimulatorError(f"{run.key} runs {name}, and {event.name} is of {whose}; give one of {name}'s events")

    def _snapshot(self, key: str, run: str) -> SimulatedRun:
        place = (key, run)
        state = self._shard.states[place]
        return SimulatedRun.of(
            state,
            self._shard.history[place],
            workflow=self._runs[place],
            simulator=self,
            parked=self._shard.why_parked(state),
            cipher=self._cipher,
        )


def _checked(workflow: type[Workflow[InputT]]) -> type[Workflow[InputT]]:
    __tracebackhide__ = True
    if not hasattr(workflow, "definition"):
        raise SimulatorError(f"{workflow!r} is no workflow class; give one with start and transitions")
    return workflow


def _counted(number: int) -> int:
    __tracebackhide__ = True
    if number < 1:
        raise SimulatorError(f"commits are counted from 1, the next one; got {number}")
    return number
