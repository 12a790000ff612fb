"""Executes one attempt: the step's code is called here and nowhere else."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from threading import Event

from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd
from hephaestus_stream.encryption.own_error import own
from hephaestus_stream.errors import PermanentError, StepTimeoutError


async def execute(attempt: Attempt, *, executor: Executor | None, jitter: Callable[[], float]) -> AttemptEnd:
    """Runs a step's code to its end or its timeout, in this process, whatever its `runner` says.

    Args:
        attempt: What to execute.
        executor: The threads of blocking steps; None means those of the event loop.
        jitter: Draws a random number in [0, 1), for the delay of a retry.

    Raises:
        asyncio.CancelledError: The attempt was stopped from outside.
    """
    stop = Event()
    try:
        timeout = attempt.step.timeout
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            if not attempt.step.is_blocking():
                return await execute_on_loop(attempt, jitter=jitter, stopping=_is_cancelled)
            call = partial(execute_blocking, attempt, jitter=jitter, stopping=stop.is_set)
            return await asyncio.get_running_loop().run_in_executor(executor, partial(copy_context().run, call))
    except TimeoutError:
        return attempt.failed(too_late(attempt), jitter=jitter())
    except PermanentError as error:
        return attempt.failed(error, jitter=jitter())
    finally:
        stop.set()


async def execute_on_loop(attempt: Attempt, *, jitter: Callable[[], float], stopping: Callable[[], bool]) -> AttemptEnd:
    """Runs an async step's code to its end, and says how it ended: whatever goes wrong is a failed attempt.

    Args:
        attempt: What to execute.
        jitter: Draws a random number in [0, 1), for the delay of a retry.
        stopping: Whether the outcome is no longer wanted.

    Raises:
        asyncio.CancelledError: The attempt was stopped from outside.
    """
    try:
        step = attempt.step
        returned: object = step.execute(attempt.instance, step.config, attempt.context(stopping))
        return attempt.ended(await returned if inspect.isawaitable(returned) else returned)
    except asyncio.CancelledError as error:
        if stopping():
            raise
        return attempt.failed(error, jitter=jitter())  # the step's own doing
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a step may raise anything, and must not end the worker
        return attempt.failed(error, jitter=jitter())


def execute_blocking(attempt: Attempt, *, jitter: Callable[[], float], stopping: Callable[[], bool]) -> AttemptEnd:
    """Runs a blocking step's code to its end, and says how it ended; it raises nothing.

    Args:
        attempt: What to execute.
        jitter: Draws a random number in [0, 1), for the delay of a retry.
        stopping: Whether the outcome is no longer wanted.
    """
    try:
        return attempt.ended(_call(attempt, stopping))
    except BaseException as error:  # noqa: BLE001 - as above, and whoever waits for a thread hears nothing else
        return attempt.failed(error, jitter=jitter())


def too_late(attempt: Attempt) -> StepTimeoutError:
    """What an attempt fails by that takes longer than it may."""
    return own(StepTimeoutError(f"{attempt.id.node} took longer than its timeout of {attempt.step.timeout}"))


def _call(attempt: Attempt, stopping: Callable[[], bool]) -> object:
    step = attempt.step
    try:
        return step.execute(attempt.instance, step.config, attempt.context(stopping))
    except (StopIteration, KeyboardInterrupt) as error:
        # The one would end as this in an async step, too; the other nobody's keyboard sends to a thread.
        raise RuntimeError(f"{attempt.id.node} raised {type(error).__name__}") from error


def _is_cancelled() -> bool:
    """Whether somebody cancelled this task, as opposed to a step that raised the error by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
