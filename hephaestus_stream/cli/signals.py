"""Signals as something to wait for: what runs in a handler may stop the main thread in the midst of anything."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Self

_MOST: Final = 1_000

_Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class Signals:
    """Some signals, for the length of a block in the main thread; each is kept until somebody waits for it.

    A program that is started within the block has the handlers of the system.

    Args:
        numbers: Which.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self._former: list[_Handler] = []
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def wait(self, seconds: float | None = None) -> list[signal.Signals]:
        """Those that came, once there are some; none where the time is over before that.

        Args:
            seconds: How long to wait; for ever unless told.
        """
        ready, _, _ = select.select([self._reader], [], [], seconds)
        return [signal.Signals(number) for number in self._reader.recv(_MOST)] if ready else []

    def __enter__(self) -> Self:
        # Python writes the number of each into the socket, as the very first that it does.
        self._former_writer = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._former = [signal.signal(number, _nothing) for number in self._numbers]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(self._numbers, self._former, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_writer)
        self._reader.close()
        self._writer.close()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Without a handler of Python's there is nothing to wait for."""
