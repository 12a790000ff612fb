"""Who may do what: a bearer token opens a role; without any token all do all, from this machine alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from hephaestus_stream.web.problems import ProblemError
from hephaestus_stream.wire.token import Role, Tokens

_BEARER: Final = HTTPBearer(
    auto_error=False, description="A token of the setting http_read_token or http_operate_token."
)
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def routes_for(
    role: Role, tokens: Tokens, *, tag: str, responses: Mapping[int | str, dict[str, Any]] | None = None
) -> APIRouter:
    """Routes that only those with a role may use; nothing of a body is read before that is known.

    Args:
        role: Whose they are.
        tokens: Those that are asked for; where there are none, everybody may do everything.
        tag: What the routes are described under.
        responses: What they all may answer.
    """
    if not tokens.are_there:
        return APIRouter(tags=[tag], responses=dict(responses or {}))

    class Guarded(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handler(request: Request) -> Response:
                _check(request, role, tokens)
                return await handle(request)

            return handler

    # The dependency describes what the route checks.
    return APIRouter(tags=[tag], route_class=Guarded, dependencies=[Depends(_BEARER)], responses=dict(responses or {}))


def _check(request: Request, role: Role, tokens: Tokens) -> None:
    scheme, shown = get_authorization_scheme_param(request.headers.get("Authorization"))
    if scheme.lower() != "bearer":
        detail = "show a token: `Authorization: Bearer TOKEN`"
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers=_CHALLENGE)
    found = tokens.role_of(shown)
    if found is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", "this token opens nothing", headers=_CHALLENGE)
    if role == "operate" and found == "read":
        detail = "this token reads alone; commands need that of the setting http_operate_token"
        raise ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)
