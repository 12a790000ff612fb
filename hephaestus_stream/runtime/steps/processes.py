"""Steps in processes: for what keeps a processor busy, and must be killed where it does not stop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd
from hephaestus_stream.cycle.handover import plain_state, sealed_end
from hephaestus_stream.encryption.own_error import own
from hephaestus_stream.errors import PermanentError, StepProcessError, WorkflowNotFoundError
from hephaestus_stream.runtime.steps.execution import Execution
from hephaestus_stream.runtime.steps.orders import HEADER, Execute, Load, Order, Place, Report, Stop, frame, place_of
from hephaestus_stream.runtime.steps.places import Places
from hephaestus_stream.runtime.steps.room import Room
from hephaestus_stream.telemetry.log_format import LogFormat
from hephaestus_stream.telemetry.whereabouts import Whereabouts

_logger: Final = logging.getLogger(__name__)

# The path comes first: without it neither this package nor the user's modules are found as the worker finds them.
_PROGRAM: Final = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from hephaestus_stream.runtime.steps.process import main
main(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
"""

_REPORT: Final = msgspec.msgpack.Decoder(Report)
_KEYS: Final = "HEPHAESTUS_ENCRYPTION_"
"""Variables that are the worker's alone: its processes get what they need in the plain."""

# Not multiprocessing: its processes import the program that was started, and its pools tell neither how a process ended
# nor a running call that it should stop, and do not survive the death of one.


class StepProcesses:
    """Executes steps in processes, which begin when they are needed, and are used again.

    Args:
        count: How many steps at once; kinds of steps have their turn one after the other, and none gets more.
        log_format: What a line is that a step logs there.
    """

    def __init__(self, count: int, *, log_format: LogFormat) -> None:
        self._log_format: LogFormat = log_format
        self._places = Places(Room(count, spare=0))
        self._idle: list[_StepProcess] = []
        self._alive: set[_StepProcess] = set()

    async def execute(self, attempt: Attempt, work: Execution) -> AttemptEnd:
        """Runs a step; one whose process ends has failed, and the others go on."""
        try:
            place = place_of(attempt.definition)
        except WorkflowNotFoundError as error:
            raise PermanentError(str(error)) from error
        state = plain_state(attempt)  # a process has no keys
        order = Execute(place, state, attempt.id.node, attempt.id.number, Whereabouts.here())
        await self._places.acquire(attempt.kind)
        try:
            return sealed_end(attempt, await self._obey(order, work))
        finally:
            self._places.release(attempt.kind)

    async def close(self) -> None:
        """Kills all processes: those that are left do nothing, or what nobody wants."""
        for process in self._alive:
            process.kill()
        if self._alive:
            await asyncio.wait({process.watch for process in self._alive})

    async def _obey(self, order: Execute, work: Execution) -> AttemptEnd:
        process = await self._take()
        work.engage(ask=partial(process.send, Stop()), give_up=partial(_kill, process, work))
        try:
            await process.load(order.place)
            work.require_wanted()
            work.begin()
            end = (await process.ask(order)).end
        except StepProcessError as error:
            how = await process.ended()
            raise own(StepProcessError(f"the process of {order.node} {how}")) from error
        except BaseException:
            process.kill()  # its next answer would be that to this order, or it imported half of something
            raise
        self._idle.append(process)
        return end

    async def _take(self) -> _StepProcess:
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
        process = await _start(self._log_format)
        self._alive.add(process)
        process.watch.add_done_callback(lambda _: self._alive.discard(process))
        return process


class _StepProcess:
    """A process of steps, as its worker has it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._loaded: set[Place] = set()
        self.watch = asyncio.create_task(self._see_to_end(), name=f"process {process.pid} of steps")

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._writer.transport.is_closing()

    async def load(self, place: Place) -> None:
        """Imports a workflow, which takes its time, before the time of a step begins.

        Raises:
            PermanentError: It cannot be imported.
            StepProcessError: The process has ended.
        """
        if place in self._loaded:
            return
        report = await self.ask(Load(place))
        if report.refused is not None:
            raise PermanentError(report.refused)
        self._loaded.add(place)

    async def ask(self, order: Load | Execute) -> Report:
        """Gives an order and returns what came of it.

        Raises:
            StepProcessError: The process has ended.
        """
        self.send(order)
        try:
            (size,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            return _REPORT.decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise StepProcessError("the process has ended") from error

    def send(self, order: Order) -> None:
        self._writer.write(frame(order))

    def kill(self) -> None:
        """Ends it, with all processes that its steps have started."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def ended(self) -> str:
        """How it ended."""
        self.kill()  # it has closed its end already
        await asyncio.shield(self.watch)
        code = self._process.returncode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = "; the system does so when memory runs out" if -code == signal.SIGKILL else ""
        return f"was killed by {name}{hint}"

    async def _see_to_end(self) -> None:
        await self._process.wait()
        with suppress(ProcessLookupError):  # what its steps have started is of its group
            os.killpg(self._process.pid, signal.SIGKILL)
        # Without it a process that a step has left behind could hold the connection open.
        self._writer.transport.abort()


async def _start(log_format: LogFormat) -> _StepProcess:
    ours, theirs = socket.socketpair()
    level = logging.getLogger().getEffectiveLevel()
    arguments = ["-P", "-c", _PROGRAM, json.dumps(sys.path), str(theirs.fileno()), str(level), log_format]
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env={name: value for name, value in os.environ.items() if not name.upper().startswith(_KEYS)},
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # Ctrl-C is for the worker, which then stops its steps in order.
                process_group=0,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
    except BaseException:
        ours.close()
        raise
    return _StepProcess(process, reader, writer)


def _kill(process: _StepProcess, work: Execution) -> None:
    _logger.warning("%s does not stop; its process is killed", work.name)
    process.kill()
