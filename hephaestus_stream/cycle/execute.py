"""Executes one attempt: the step's code is called here and nowhere else."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any

from hephaestus_stream.core.step import Step
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd
from hephaestus_stream.errors import StepTimeoutError


async def execute(attempt: Attempt, *, executor: Executor | None, jitter: Callable[[], float]) -> AttemptEnd:
    """Runs a step's code to its end, and says how it ended: whatever goes wrong is a failed attempt.

    Args:
        attempt: What to execute.
        executor: The threads of blocking steps; None means those of the event loop.
        jitter: Draws a random number in [0, 1), for the delay of a retry.

    Raises:
        asyncio.CancelledError: The attempt was stopped from outside.
    """
    try:
        return attempt.ended(await _in_time(attempt, executor))
    except asyncio.CancelledError as error:
        if _is_stopped():
            raise
        return attempt.failed(error, jitter=jitter())  # the step's own doing
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a step may raise anything, and must not end the worker
        return attempt.failed(error, jitter=jitter())


async def _in_time(attempt: Attempt, executor: Executor | None) -> object:
    """What the step returns; it raises `StepTimeoutError` where that takes too long."""
    step = attempt.step
    clock = None if step.timeout is None else asyncio.timeout(step.timeout.total_seconds())
    try:
        async with clock or nullcontext():
            return await _call(step, attempt, executor)
    except TimeoutError as error:
        if clock is None or not clock.expired():  # the step's own doing
            raise
        raise StepTimeoutError(f"{attempt.id.node} took longer than its timeout of {step.timeout}") from error


async def _call(step: Step[Any, Any], attempt: Attempt, executor: Executor | None) -> object:
    if not step.is_blocking():
        returned: object = step.execute(attempt.instance, step.config, attempt.context)
        return await returned if inspect.isawaitable(returned) else returned
    loop = asyncio.get_running_loop()
    variables = copy_context()
    return await loop.run_in_executor(executor, lambda: variables.run(_call_in_thread, step, attempt))


def _call_in_thread(step: Step[Any, Any], attempt: Attempt) -> object:
    try:
        return step.execute(attempt.instance, step.config, attempt.context)
    except (StopIteration, KeyboardInterrupt) as error:
        # A future cannot carry the one: whoever awaits it would wait for ever. And the other, which nobody's keyboard
        # sends to a thread, would end the worker.
        raise RuntimeError(f"{attempt.id.node} raised {type(error).__name__}") from error


def _is_stopped() -> bool:
    """Whether somebody cancelled this task, as opposed to a step that raised the error by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
