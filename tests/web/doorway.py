"""A door before a worker: open, or shut in the face of whoever comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Doorway:
    """Forwards connections to a worker.

    Attributes:
        url: Where it stands.
        is_open: Whether a new connection is let through.
        let_through: How many were.
        refused: How many were not.
    """

    url: str
    is_open: bool = True
    let_through: int = 0
    refused: int = 0

    def shut(self) -> None:
        self.is_open = False


@asynccontextmanager
async def doorway(worker: str) -> AsyncGenerator[Doorway]:
    """A door for the length of a block; each connection carries one request."""
    place = urlsplit(worker)

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if door.is_open:
                inside, out = await asyncio.open_connection(place.hostname, place.port)
                head = await reader.readuntil(b"\r\n\r\n")
                out.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                writer.write(await inside.read())
                await writer.drain()
                out.close()
                door.let_through += 1
            else:
                door.refused += 1
        writer.close()

    server = await asyncio.start_server(enter, "127.0.0.1", 0)
    door = Doorway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield door
