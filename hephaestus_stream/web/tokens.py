"""Who may do what: a bearer token opens a role; without any token all do all, from this machine alone."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hephaestus_stream.web.problems import ProblemError
from hephaestus_stream.wire.token import Role, Tokens

_BEARER: Final = HTTPBearer(
    auto_error=False, description="A token of the setting http_read_token or http_operate_token."
)
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}

Shown = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def requires(role: Role, tokens: Tokens) -> Callable[..., None]:
    """What a route depends on, that only those with a role may use."""

    def check(shown: Shown) -> None:
        if shown is None:
            detail = "show a token: `Authorization: Bearer TOKEN`"
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers=_CHALLENGE)
        found = tokens.role_of(shown.credentials)
        if found is None:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", "this token opens nothing", headers=_CHALLENGE)
        if role == "operate" and found == "read":
            detail = "this token reads alone; commands need that of the setting http_operate_token"
            raise ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)

    return check if tokens.are_there else _nothing


def _nothing() -> None:
    """Everybody may do everything."""
