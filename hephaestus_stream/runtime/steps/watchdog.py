"""Notices a step that blocks the event loop, and with it every shard of the worker."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from hephaestus_stream.runtime.steps.stack import where_thread_is

_logger: Final = logging.getLogger(__name__)

_TOO_LONG: Final = timedelta(seconds=1)
"""Sessions, timers and commits of all partitions wait meanwhile."""

_OF_A_STEP: Final = (
    "write def execute for it, which runs in a thread, or set runner = 'process' where it keeps a processor busy"
)
_OF_A_SHARD: Final = "models check payloads and routes choose there: keep both quick, and do in a step what takes long"

SHARD: Final = "shard "
"""What the names of the shards' tasks begin with: code of users that is no step runs in them, too."""


class Watchdog:
    """Asks the event loop for a sign of life again and again, from a thread of its own, inside a `with`.

    Made on the event loop that it watches.

    Args:
        too_long: How long the loop may take for a sign before it is told of; and how long until the next one.
    """

    def __init__(self, *, too_long: timedelta = _TOO_LONG) -> None:
        self._too_long = too_long.total_seconds()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._too_long):
            sign = threading.Event()
            asked_at = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(sign.set)
            except RuntimeError:  # the loop is closed
                return
            told = None if sign.wait(self._too_long) else self._tell()
            while not sign.wait(self._too_long):
                if self._ended.is_set() or self._loop.is_closed():
                    return
            blocked = time.monotonic() - asked_at
            # Code that holds the interpreter lock has kept this thread from asking who it is.
            if told is not None or blocked > 2 * self._too_long:
                _logger.warning("%s blocked the event loop for %.1f seconds", told or "something", blocked)

    def _tell(self) -> str:
        task = asyncio.current_task(self._loop)
        name = "something" if task is None else task.get_name()
        _logger.warning(
            "%s blocks the event loop, and with it everything that this worker does; %s. It is at\n%s",
            name,
            _OF_A_SHARD if name.startswith(SHARD) else _OF_A_STEP,
            where_thread_is(self._loop_thread),
        )
        return name
