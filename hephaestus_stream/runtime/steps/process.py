"""What runs in a process of steps: it takes orders from its worker, and lives no longer than that."""

from __future__ import annotations

import ctypes
import logging
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partial
from queue import SimpleQueue
from typing import Final

import msgspec

from hephaestus_stream.cycle.error_text import describe
from hephaestus_stream.cycle.execute import execute_blocking
from hephaestus_stream.runtime.steps.forked import original_only
from hephaestus_stream.runtime.steps.orders import HEADER, Execute, Load, Order, Report, Stop, attempt_of, find, frame
from hephaestus_stream.telemetry.log_format import LogFormat, formatter_of

_PARENT_DEATH_SIGNAL: Final = 1
"""Linux's number of the option; the C library has it as PR_SET_PDEATHSIG."""


def main(descriptor: int, log_level: int, log_format: LogFormat) -> None:
    """Executes attempts one after the other, until the worker is gone.

    Args:
        descriptor: The file descriptor of a socket, at whose other end the worker is.
        log_level: From which level on steps log; to standard error, as the worker does.
        log_format: What a line of theirs is.
    """
    _die_with_worker()
    os.set_inheritable(descriptor, False)
    _set_up_logging(log_level, log_format)
    worker = socket.socket(fileno=descriptor)
    orders: SimpleQueue[tuple[Load | Execute, threading.Event]] = SimpleQueue()
    threading.Thread(target=_listen, args=(worker, orders), name="orders", daemon=True).start()
    while True:
        order, stop = orders.get()
        with original_only():  # it is who the worker asked
            answer = _answer(order, stop)
        try:
            worker.sendall(answer)
        except OSError:  # the worker is gone
            return


def _answer(order: Load | Execute, stop: threading.Event) -> bytes:
    """What came of an order, as a frame; an outcome that cannot be written is a failed attempt."""
    report = _obey(order, stop)
    try:
        return frame(report)
    except Exception as error:
        if isinstance(order, Load):
            raise
        return frame(Report.of(attempt_of(order).failed(error, jitter=random.random())))  # noqa: S311 - spreads retries


def _obey(order: Load | Execute, stop: threading.Event) -> Report:
    try:
        if isinstance(order, Load):
            find(order.place)
            return Report()
        attempt = attempt_of(order)
    except BaseException as error:  # noqa: BLE001 - a module may raise anything when it is imported
        what = describe(error)
        return Report(refused=f"{order.place.module} cannot be imported in a process: {what.type}: {what.message}")
    return Report.of(
        order.whereabouts.run(partial(execute_blocking, attempt, jitter=random.random, stopping=stop.is_set))
    )


def _listen(worker: socket.socket, orders: SimpleQueue[tuple[Load | Execute, threading.Event]]) -> None:
    """Hears orders while a step runs, and above all that there will be none any more."""
    stop = threading.Event()
    try:
        for order in _orders(worker):
            if isinstance(order, Stop):
                stop.set()
            else:
                stop = threading.Event()
                orders.put((order, stop))
    finally:
        # Steps have processes of their own, perhaps; all of them are in the group.
        os.killpg(0, signal.SIGKILL)


def _orders(worker: socket.socket) -> Iterator[Order]:
    decoder = msgspec.msgpack.Decoder[Order](Order)
    with worker.makefile("rb") as stream:
        while len(header := stream.read(HEADER.size)) == HEADER.size:
            yield decoder.decode(stream.read(HEADER.unpack(header)[0]))


def _set_up_logging(level: int, style: LogFormat) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_of(style))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _die_with_worker() -> None:
    """Has the kernel end this process with its worker: code that holds the interpreter lock hears nothing else."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
