"""Ports of the loopback address."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    try:
        _bind(port)
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nobody listens on; somebody may take it before the caller does, so starting may have to be tried."""
    return _bind(0)


def _bind(port: int) -> int:
    with socket.socket() as listener:
        # Java's servers set this too: without it, connections of the last run in TIME_WAIT would keep the port taken.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        address: tuple[str, int] = listener.getsockname()
        return address[1]
