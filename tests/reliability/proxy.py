"""A proxy between clients and a broker that can be cut: what was sent stays away, until it is healed.

The broker needs a listener that is advertised under the proxy's port, since clients connect to what is advertised.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from hephaestus_stream.local_kafka.ports import HOST, free_port

Whose = Callable[[str], bool]

# The size of a request, then what it asks for, in which version, its number, and how long the client's name is.
_HEAD: Final = struct.Struct(">ihhih")
_CHUNK: Final = 64 * 1024

INIT_PRODUCER_ID: Final = 22
"""The number of the request that fences."""


def everybody(_client: str) -> bool:
    """All connections."""
    return True


def nobody(_client: str) -> bool:
    """None of them."""
    return False


@dataclass(frozen=True)
class Listener:
    """The listener of the broker, and the port under which clients find it.

    Attributes:
        port: Where the broker listens.
        advertised: Where the proxy does.
    """

    port: int
    advertised: int

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.advertised}"

    def properties(self) -> dict[str, str]:
        """What the broker must be told, besides its usual listeners."""
        return {
            "listeners": f"PROXIED://{HOST}:{self.port}",
            "advertised.listeners": f"PROXIED://{HOST}:{self.advertised}",
            "listener.security.protocol.map": "PROXIED:PLAINTEXT",
        }


class Proxy:
    """Passes bytes on; its methods may be called from any thread.

    A client is known by the `client.id` of its first request: `rdkafka` is librdkafka, the consumer's is Faust's own.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._is_cut: Whose = nobody
        self._healed = asyncio.Event()
        self._delay = 0.0
        self._trap: tuple[int, threading.Event] | None = None

    def cut(self, whose: Whose = everybody) -> None:
        """Holds back everything of these clients, in both directions, and what new connections of theirs send."""
        self._loop.call_soon_threadsafe(self._change, whose)

    def cut_at(self, request: int) -> threading.Event:
        """Holds back everything from the next request of a kind on; the event tells when it has come."""
        sprung = threading.Event()
        self._trap = request, sprung
        return sprung

    def heal(self) -> None:
        """Delivers what was held back: to the broker, a client's requests of long ago are news."""
        self._loop.call_soon_threadsafe(self._change, nobody)

    def delay(self, seconds: float) -> None:
        """Lets each piece of data take so long."""
        self._delay = seconds

    def run(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Serves until `stop` is set, in the thread that calls it."""
        self._loop.run_until_complete(self._serve(started, stop))
        self._loop.close()

    def end(self, stop: asyncio.Event) -> None:
        self._loop.call_soon_threadsafe(stop.set)

    def _change(self, whose: Whose) -> None:
        self._is_cut = whose
        self._healed.set()
        self._healed = asyncio.Event()

    async def _serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connect(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async with await asyncio.start_server(accept, HOST, self._listener.advertised):
            started.set()
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readexactly(_HEAD.size)
            name = await reader.readexactly(max(_HEAD.unpack(head)[-1], 0))
            client = name.decode()
            await self._passable(client)
            from_broker, to_broker = await asyncio.open_connection(HOST, self._listener.port)
            try:
                to_broker.write(head + name)
                # Whichever side ends first ends the other.
                ways = [self._pass_on(client, reader, to_broker), self._pass_on(client, from_broker, writer)]
                passing = [asyncio.ensure_future(way) for way in ways]
                try:
                    await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in passing:
                        way.cancel()
                    await asyncio.gather(*passing, return_exceptions=True)
            finally:
                to_broker.close()
        writer.close()

    async def _pass_on(self, client: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            self._watch(data)
            await self._passable(client)
            if self._delay:
                await asyncio.sleep(self._delay)
            writer.write(data)
            await writer.drain()

    def _watch(self, data: bytes) -> None:
        # librdkafka writes each request by itself.
        if self._trap is not None and len(data) >= _HEAD.size and _HEAD.unpack_from(data)[1] == self._trap[0]:
            _, sprung = self._trap
            self._trap = None
            self._is_cut = everybody
            sprung.set()

    async def _passable(self, client: str) -> None:
        while self._is_cut(client):
            await self._healed.wait()


@contextmanager
def proxied(listener: Listener) -> Generator[Proxy]:
    """A proxy that serves for the length of a block."""
    proxy = Proxy(listener)
    started, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=proxy.run, args=(started, stop), name="proxy")
    thread.start()
    try:
        started.wait()
        yield proxy
    finally:
        proxy.end(stop)
        thread.join()


def new_listener() -> Listener:
    return Listener(free_port(), free_port())
