"""The connections of a worker's HTTP server: few at a time, and none that waits long, as nobody has to say who he is.

Each takes one of the process's open files, which the partitions need.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hephaestus_stream.web.problems import answer, unreadable

MAX_CONNECTIONS: Final = 64
REQUEST_WITHIN: Final = timedelta(seconds=5)
KEPT_FOR: Final = timedelta(seconds=75)
"""For longer than usual clients keep a connection that they do not use: a request would meet its end on the way."""


class OpenConnections:
    """Those that are open, the one that waits longest for its request first.

    Args:
        limit: How many there may be; a further one ends the one that waits longest.
        request_within: How long one may be without a whole request, when it was opened, or when a request has begun.
        kept_for: How long one that had an answer may be without the beginning of a request.
    """

    def __init__(
        self,
        *,
        limit: int = MAX_CONNECTIONS,
        request_within: timedelta = REQUEST_WITHIN,
        kept_for: timedelta = KEPT_FOR,
    ) -> None:
        self._limit = limit
        self._request_within = request_within.total_seconds()
        self._kept_for = kept_for.total_seconds()
        self._waiting: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        self._idle: set[asyncio.Transport] = set()

    def wait_for_request(self, transport: asyncio.Transport, *, is_idle: bool = False) -> None:
        """A connection was opened, or had its answer, or begins a request: a whole request is due.

        Args:
            transport: The connection.
            is_idle: Whether nothing of a request has come, after an answer.
        """
        self.forget(transport)
        while len(self._waiting) >= self._limit:
            oldest = next(iter(self._waiting))
            self.forget(oldest)
            oldest.abort()
        patience = self._kept_for if is_idle else self._request_within
        self._waiting[transport] = asyncio.get_running_loop().call_later(patience, transport.abort)
        if is_idle:
            self._idle.add(transport)

    def hear(self, transport: asyncio.Transport) -> None:
        """A part of a request has come."""
        if transport in self._idle:
            self.wait_for_request(transport)

    def forget(self, transport: asyncio.Transport) -> None:
        """A connection is closed, or its request is answered."""
        self._idle.discard(transport)
        timer = self._waiting.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def protocol(self) -> type[asyncio.Protocol]:
        """What uvicorn is to make for each connection."""
        connections = self

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connections.wait_for_request(transport)

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                if self.conn.their_state is h11.DONE:
                    # The whole request is here: how long its answer takes is for us to say.
                    connections.forget(self.transport)
                else:
                    connections.hear(self.transport)

            def send_400_response(self, msg: str) -> None:
                """Answer what is no HTTP as everything else that is wrong."""
                response = answer(unreadable(msg))
                for event in (
                    h11.Response(status_code=400, headers=[*response.raw_headers, (b"connection", b"close")]),
                    h11.Data(data=bytes(response.body)),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event) or b"")
                self.transport.close()

            def connection_lost(self, exc: Exception | None) -> None:
                connections.forget(self.transport)
                super().connection_lost(exc)

            def on_response_complete(self) -> None:
                super().on_response_complete()
                # The next request may have come along with the one before, and is being answered.
                if not self.transport.is_closing() and self.conn.their_state is not h11.DONE:
                    begun, _ = self.conn.trailing_data
                    connections.wait_for_request(self.transport, is_idle=not begun)

        return Protocol
