"""What every request passes before a route sees it: its URL and the host that it names; and every error after it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hephaestus_stream.web.problems import ProblemError, answer, unexpected
from hephaestus_stream.wire.http import NAMESPACE_HEADER
from hephaestus_stream.wire.problem_details import ProblemDetails

_logger: Final = logging.getLogger(__name__)

MOST_BYTES: Final = 1_100_000
"""Of a body: a command of the largest size that a topic takes, and some more."""

MOST_OF_URL: Final = 8_000

_JSON: Final = re.compile(rb"application/([^;\s]+\+)?json\s*(;|$)", re.IGNORECASE)


class Guard:
    """Wraps an application.

    The path is routed as it came: a key may have slashes, which are escaped in it.

    Args:
        app: What it wraps.
        namespace: Of the worker; who means another one is told so.
        is_local: Whether only requests to a name of this machine are let in: where no token is asked for, a page of
            some other site could send them from a browser here, under a name of its own.
    """

    def __init__(self, app: ASGIApp, *, namespace: str, is_local: bool) -> None:
        self._app = app
        self._namespace = namespace
        self._is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        async def tell(problem: ProblemDetails, headers: Mapping[str, str]) -> None:
            if not has_begun:
                await answer(problem, headers)(scope, receive, send)

        try:
            self._check(scope)
            # The raw path may have a query's part in some servers.
            path = scope["raw_path"].partition(b"?")[0].decode("ascii", errors="replace")
            # The server leaves the body of an answer to HEAD out.
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            await self._app({**scope, "path": path, "method": method}, receive, sending)
        except ProblemError as error:
            await tell(error.problem, error.headers)
        except Exception:
            _logger.exception("a request failed by an unexpected error")
            await tell(unexpected(), {})

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_OF_URL:
            raise ProblemError(HTTPStatus.REQUEST_URI_TOO_LONG, "uri-too-long", f"over {MOST_OF_URL} bytes of URL")
        host = headers.get(b"host", b"").decode("latin-1")
        # Whoever probes a worker may call it anything, and learns nothing but how it is.
        if self._is_local and not _is_local(host) and not scope["raw_path"].startswith(b"/health/"):
            detail = "this worker is served to this machine alone: ask it as localhost or 127.0.0.1"
            raise ProblemError(HTTPStatus.MISDIRECTED_REQUEST, "misdirected", detail)
        meant = headers.get(NAMESPACE_HEADER.lower().encode())
        if meant is not None and meant.decode("latin-1") != self._namespace:
            detail = f"this worker is of the namespace '{self._namespace}': ask one of the namespace that you mean"
            raise ProblemError(HTTPStatus.MISDIRECTED_REQUEST, "other-namespace", detail)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > MOST_BYTES:
            # The framework would say so in plain text; of a body without a length it tells as of everything else.
            detail = f"a body has {MOST_BYTES} bytes at most"
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
        if scope["method"] == "POST" and not _JSON.match(headers.get(b"content-type", b"")):
            detail = "a command is JSON: send it with `Content-Type: application/json`"
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)


def _is_local(host: str) -> bool:
    """Whether the host of a request is this machine by a name that no other site can give it."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
