"""The HTTP server of a worker, on the worker's own event loop: where that stands still, nobody answers."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.runtime.health import HealthReport
from hephaestus_stream.web.connections import OpenConnections
from hephaestus_stream.web.health import health_routes

_logger: Final = logging.getLogger(__name__)

_LAST_REQUESTS_SECONDS: Final = 1
# So many are accepted at once, before any is looked at.
_BACKLOG: Final = 16


class _Server(uvicorn.Server):
    """Leaves signals alone: the worker stops in order, and this server with it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


def require_known(serve: Callable[..., object]) -> None:
    """Returns where the server asks for its signals as `_Server` expects.

    Raises:
        SettingsError: It does not, and the worker could not stop in order.
    """
    if "capture_signals" not in inspect.unwrap(serve).__code__.co_names:
        raise SettingsError(
            f"http: uvicorn {uvicorn.__version__} would take the signals that stop the worker in order; install the "
            "release before it, or leave `http` out"
        )


def application(report: HealthReport) -> FastAPI:
    """Everything that a worker serves."""
    # Whoever probes it needs no description of it, and nobody else shall get one.
    app = FastAPI(title="hephaestus_stream", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(health_routes(report))
    return app


@asynccontextmanager
async def serving(
    address: str, report: HealthReport, *, connections: OpenConnections | None = None
) -> AsyncGenerator[None]:
    """Serves on an address for the length of a block.

    Args:
        address: `host:port`; port 0 takes a free one, which the log tells.
        report: How the worker is.
        connections: How many may be open, and for how long.

    Raises:
        SettingsError: The address cannot be listened on, or the installed uvicorn is one that nobody has tried.
    """
    require_known(uvicorn.Server.serve)
    with _listening(address) as listener:
        config = uvicorn.Config(
            application(report),
            http=(connections or OpenConnections()).protocol(),
            backlog=_BACKLOG,
            access_log=False,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve([listener]), name="http")
        host, port = listener.getsockname()[:2]
        _logger.info("health is told at http://%s:%d/health/ready", f"[{host}]" if ":" in host else host, port)
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.wait({task}, timeout=2 * _LAST_REQUESTS_SECONDS)


def _listening(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        raise SettingsError(f"http: the worker cannot listen on {address} ({error}): name another address") from error
