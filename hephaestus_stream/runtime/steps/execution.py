"""One attempt at work: its outcome is known in time, whatever its code does, and its code is asked to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final, Protocol

from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId
from hephaestus_stream.cycle.execute import too_late
from hephaestus_stream.telemetry.attempts import observed
from hephaestus_stream.telemetry.log_fields import set_attempt

_AT_ONCE: Final = timedelta(milliseconds=50)
"""Code that lets its cancellation through needs some turns of the event loop for that."""


def nothing() -> None:
    """What is done about a step that cannot be reached."""


def name_of(attempt: AttemptId) -> str:
    """An attempt as the log names it."""
    return f"{attempt.key} (run {attempt.run}), node {attempt.node}, attempt {attempt.number}"


class Workplace(Protocol):
    """Where the steps of one kind are executed: the event loop, threads, processes."""

    async def execute(self, attempt: Attempt, work: Execution) -> AttemptEnd:
        """Waits for a place, tells `work` how the step is stopped, begins, and returns how the step ended.

        It returns when the step's code has ended, or has been given up, however long ago its outcome was told.
        """
        ...


class Execution:
    """One attempt, from its start until its code has ended or is given up.

    The `outcome` does not wait for the code: it is told at the timeout, and cancelled when the attempt is stopped. The
    code is then asked to stop, and has a grace for it.

    Args:
        attempt: What to execute.
        workplace: Where.
        grace: How long the code may take to stop.
        ended: Called when the code has ended or is given up, and perhaps again.

    Attributes:
        outcome: What the engine is to be told.
        task: What sees to the code, and is the code itself where that is async.
        began_at: When the code began, by the event loop's clock; None while it waits for its place.
    """

    def __init__(
        self, attempt: Attempt, workplace: Workplace, *, grace: timedelta, ended: Callable[[Execution], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.attempt = attempt
        self.outcome: asyncio.Future[AttemptEnd] = loop.create_future()
        self.began_at: float | None = None
        self._loop = loop
        self._grace = grace
        self._ended = ended
        self._stopping = False
        self._ask: Callable[[], object] | None = None
        self._give_up: Callable[[], object] = nothing
        self._timer: asyncio.TimerHandle | None = None
        # The watchdog says by this name which step it is that blocks the event loop.
        self.task = loop.create_task(observed(self, partial(self._run, workplace)), name=name_of(attempt.id))

    @property
    def name(self) -> str:
        """Which attempt it is, for the log."""
        return name_of(self.attempt.id)

    def is_stopping(self) -> bool:
        """Whether the outcome is no longer wanted; threads ask, too."""
        return self._stopping

    def engage(self, *, ask: Callable[[], object] = nothing, give_up: Callable[[], object] = nothing) -> None:
        """The step has its place.

        Args:
            ask: Asks the code to stop.
            give_up: Ends the code, or goes on without it, when its grace is over.
        """
        self._ask, self._give_up = ask, give_up

    def begin(self) -> None:
        """The code begins, and with it the time that the attempt may take."""
        self.began_at = self._loop.time()
        timeout = self.attempt.step.timeout
        if timeout is not None and not self._stopping:
            self._timer = self._loop.call_later(timeout.total_seconds(), self._time_out)

    def require_wanted(self) -> None:
        """Returns where the outcome is wanted still.

        Raises:
            asyncio.CancelledError: It is not; its code need not begin.
        """
        if self._stopping:
            raise asyncio.CancelledError

    def stop(self, *, at_once: bool = False) -> None:
        """Nobody wants the outcome any more; its code has a grace to end, or next to none."""
        self.outcome.cancel()
        grace = min(self._grace, _AT_ONCE) if at_once else self._grace
        self._request_stop(grace=grace.total_seconds())

    def cancel(self) -> None:
        """Goes on without the code, whatever it does."""
        self.stop()
        self.task.cancel()

    def _time_out(self) -> None:
        self._fail(too_late(self.attempt))
        self._request_stop(grace=self._grace.total_seconds())

    def _request_stop(self, *, grace: float) -> None:
        if self._stopping or self.task.done():
            return
        self._stopping = True
        self._clear_timer()
        if self._ask is None:
            # It waits for its place, or its task has not even begun.
            self.task.cancel()
            self._ended(self)
            return
        self._timer = self._loop.call_later(grace, self._give_up)
        self._ask()

    async def _run(self, workplace: Workplace) -> None:
        set_attempt(self.attempt)
        try:
            end = await workplace.execute(self.attempt, self)
            if not self.outcome.done():
                self.outcome.set_result(end)
        except asyncio.CancelledError as error:
            if self._stopping:
                self.outcome.cancel()
                raise
            self._fail(error)  # a step that cancelled its own task
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - shards rely on it: an attempt ends, or it is stopped
            self._fail(error)
        finally:
            self._clear_timer()
            # They hold this very execution: a circle that only the collector would find.
            self._ask = self._give_up = nothing
            self._ended(self)

    def _fail(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_result(self.attempt.failed(error, jitter=random.random()))  # noqa: S311 - spreads retries

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
