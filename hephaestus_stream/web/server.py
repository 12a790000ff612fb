"""The HTTP server of a worker, on the worker's own event loop: where that stands still, nobody answers."""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from ipaddress import ip_address
from typing import Final

import uvicorn
from fastapi import FastAPI

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.runtime.facade import WorkerFacade
from hephaestus_stream.settings import Settings
from hephaestus_stream.web.cluster import cluster_routes
from hephaestus_stream.web.commands import Sender, command_routes
from hephaestus_stream.web.connections import OpenConnections
from hephaestus_stream.web.guard import MOST_BYTES, Guard
from hephaestus_stream.web.health import health_routes
from hephaestus_stream.web.instances import instance_routes
from hephaestus_stream.web.problems import tell_problems
from hephaestus_stream.web.workflows import workflow_routes
from hephaestus_stream.wire.token import Tokens

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


def application(facade: WorkerFacade, sender: Sender, tokens: Tokens) -> FastAPI:
    """Everything that a worker serves, without the guard around it."""
    app = FastAPI(
        title="hephaestus_stream",
        version=version("hephaestus-stream"),
        description="Instances of durable workflows, answered by the workers that own them.",
        max_body_size=MOST_BYTES,
        # An id may end with a slash, and no path but the one that is described is meant.
        redirect_slashes=False,
        # Their pages are made of what other sites serve.
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(health_routes(facade.health))
    app.include_router(instance_routes(facade, tokens))
    app.include_router(command_routes(sender, tokens))
    app.include_router(workflow_routes(facade, tokens))
    app.include_router(cluster_routes(facade, tokens))
    tell_problems(app)
    return app


@asynccontextmanager
async def serving(
    settings: Settings, facade: WorkerFacade, *, connections: OpenConnections | None = None
) -> AsyncGenerator[None]:
    """Serves on the address of the settings for the length of a block.

    Args:
        settings: The address `http`, where port 0 takes a free one, which the log tells; so does an address that is
            taken, if nobody has set it. And the tokens.
        facade: What is shown; it is told its URL.
        connections: How many may be open, and for how long.

    Raises:
        SettingsError: The address cannot be listened on, or should not be, or the installed uvicorn is one that nobody
            has tried.
    """
    require_known(uvicorn.Server.serve)
    tokens, sender = settings.http_tokens(), Sender(settings)
    with listening(settings) as listener:
        host, port = listener.getsockname()[:2]
        is_local = ip_address(host).is_loopback
        if not (is_local or tokens.are_there or settings.http_open):
            raise SettingsError(
                f"http: others reach {settings.http}, and no token is asked for: set http_read_token_file and "
                "http_operate_token_file, or http_open = true if everybody may do everything"
            )
        facade.url = settings.http_url or _url(host, port)
        app = Guard(
            application(facade, sender, tokens),
            namespace=settings.namespace,
            is_local=is_local and not tokens.are_there,
        )
        config = uvicorn.Config(
            app,
            http=(connections or OpenConnections()).protocol(),
            backlog=_BACKLOG,
            access_log=False,
            log_config=None,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve([listener]), name="http")
        _logger.info("HTTP at %s; health is told at %s/health/ready", *[_url(host, port)] * 2)
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.wait({task}, timeout=2 * _LAST_REQUESTS_SECONDS)
            await sender.close()


def _url(host: str, port: int) -> str:
    """An address as others reach it, which for all addresses of a machine is its name."""
    if ip_address(host).is_unspecified:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listening(settings: Settings) -> socket.socket:
    """A socket at the address of the settings, whose connections send each piece at once.

    asyncio sees to that for sockets that name their protocol only, and those of `create_server` do not: the end of an
    answer would wait for the receipt of its beginning, which a client may hold back for 40 ms.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    host, _, port = settings.http.rpartition(":")
    host = host.strip("[]")
    try:
        listener = _bound(settings, host, int(port))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # those that it accepts have it from it
    except OSError as error:
        raise SettingsError(
            f"http: the worker cannot listen on {settings.http} ({error}): name another address"
        ) from error
    return listener


def _bound(settings: Settings, host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or "http" in settings.model_fields_set:
            raise
        _logger.info("%s is taken, perhaps by another worker: any free port is used", settings.http)
        return socket.create_server((host, 0), family=family)
