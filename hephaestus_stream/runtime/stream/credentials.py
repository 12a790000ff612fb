"""Credentials that become wrong while a worker runs: it exits, where its clients would try for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hephaestus_stream.errors import BrokerUnreachableError, HephaestusError
from hephaestus_stream.runtime.stream.reachability import check_reachable
from hephaestus_stream.wire.connection import Connection

# A broker whose source of passwords is away for a moment refuses as one does that knows them.
_AGAIN_SECONDS: Final = 3.0


class CredentialsWatch:
    """Asks anew when a client of the worker was refused, and fails the worker when it is refused twice.

    While its connections live a worker whose password was changed goes on: it can be restarted at leisure.

    Args:
        connection: What is shown to the brokers.
        fail: Ends the worker.
    """

    def __init__(self, connection: Connection, fail: Callable[[BaseException], None]) -> None:
        self._connection = connection
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._doubted = asyncio.Event()

    def doubt(self) -> None:
        """A client was refused; may be called from any thread, and after the worker's end."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._doubted.set)

    async def watch(self) -> None:
        """Runs until the worker has failed, or is cancelled."""
        try:
            await self._watch()
        except Exception as error:  # noqa: BLE001 - a watch that ended in silence would be none
            self._fail(error)

    async def _watch(self) -> None:
        while True:
            await self._doubted.wait()
            if await self._refusal() is not None:
                await asyncio.sleep(_AGAIN_SECONDS)
                refusal = await self._refusal()
                if refusal is not None:
                    self._fail(refusal)
                    return
            self._doubted.clear()

    async def _refusal(self) -> HephaestusError | None:
        """Why the worker could not begin now: it is refused, or a file of its options is gone or wrong."""
        try:
            await check_reachable(self._connection)
        except BrokerUnreachableError:
            return None
        except HephaestusError as error:
            return error
        return None
