"""A worker of a few lines that says over HTTP what it is told to say, for what a real one says only when it is ill."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, object]] | None
"""Status and document; None hangs up without an answer."""


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    path: str
    parameters: dict[str, list[str]]


@dataclass
class Scripted:
    """Answers each request as `script` says, which is told the request and its number from 0."""

    url: str
    script: Callable[[Asked, int], Answer]
    asked: list[Asked] = field(default_factory=list[Asked])


class Server(ThreadingHTTPServer):
    """Says nothing of a client that went, or of one that it hung up on."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def scripted(script: Callable[[Asked, int], Answer]) -> Generator[Scripted]:
    """A server for the length of a block."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            asked = Asked(url.path, parse_qs(url.query))
            with lock:
                number = len(there.asked)
                there.asked.append(asked)
            answer = there.script(asked, number)
            if answer is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that is called

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
            """Say nothing."""

    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        there = Scripted(f"http://127.0.0.1:{server.server_port}", script)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()
