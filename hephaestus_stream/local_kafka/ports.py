"""Ports of the loopback address."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"

# Below the range from which Linux and macOS take the local ports of outgoing connections. Else a client that keeps
# calling a broker that is down could be given the broker's own port, connect to itself and keep the broker out.
_CHOICE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as listener:
        # Java's servers set this too: without it, connections of the last run in TIME_WAIT would keep the port taken.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on; somebody may take it before the caller does, so starting may have to be tried."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Several such ports, no two of them the same."""
    candidates = (port for port in random.sample(_CHOICE, len(_CHOICE)) if is_free(port))
    return [next(candidates) for _ in range(count)]
