"""Every error as problem details (RFC 9457), those of the framework included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hephaestus_stream.errors import (
    CommandError,
    HephaestusError,
    InvalidCursorError,
    InvalidKeyError,
    NoAnswerError,
    PartitionUnavailableError,
    RunNotFoundError,
    WorkerNotReadyError,
)
from hephaestus_stream.wire.instance import Unavailable
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.problem_details import ProblemDetails, type_of

MEDIA_TYPE: Final = "application/problem+json"
_AGAIN_SECONDS: Final = "1"
_MOST_DETAIL: Final = 2_000

_REFUSED: Final[Mapping[str, HTTPStatus]] = {
    "not_found": HTTPStatus.NOT_FOUND,
    "unknown_workflow": HTTPStatus.NOT_FOUND,
    "unknown_version": HTTPStatus.NOT_FOUND,
    "unknown_node": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_event": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not_external": HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid_key": HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid_payload": HTTPStatus.UNPROCESSABLE_ENTITY,
    "undecodable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unsupported_schema": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "engine_error": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Refusals of the engine; all others speak of what stands against the command, which is a conflict."""


_OF_FRAMEWORK: Final[Mapping[int, str]] = {
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported-media-type",
}
"""The kinds of what the framework refuses; its words for a status differ between releases of Python."""


class ProblemError(Exception):
    """A problem on its way out."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        unavailable: Iterable[object] = (),
        reply: Reply | None = None,
    ) -> None:
        self.problem = _problem(
            HTTPStatus(status),
            kind,
            detail,
            reason=None if reply is None else reply.reason,
            unavailable=tuple(Unavailable.model_validate(each, from_attributes=True) for each in unavailable),
            reply=reply,
        )
        self.headers = dict(headers or {})
        super().__init__(detail)


def refused(reply: Reply) -> ProblemError:
    """The problem of a command that the engine refused."""
    status = _REFUSED.get(reply.reason or "", HTTPStatus.CONFLICT)
    return ProblemError(status, "refused", reply.message or "the command was refused", reply=reply)


def answer(problem: ProblemDetails, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that tells a problem."""
    document = problem.model_dump(mode="json", exclude_defaults=True)
    return JSONResponse(document, problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for its description."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    return {code: {"description": HTTPStatus(code).phrase, "content": {MEDIA_TYPE: schema}} for code in codes}


def tell_problems(app: FastAPI) -> None:
    """Answers every error of an application with problem details."""

    def handle(kind: type[Exception], teller: Callable[[Any], tuple[ProblemDetails, Mapping[str, str]]]) -> None:
        async def handler(_request: Request, error: Exception) -> JSONResponse:
            return answer(*teller(error))

        app.add_exception_handler(kind, handler)

    handle(ProblemError, lambda error: (error.problem, error.headers))
    handle(HephaestusError, lambda error: (problem_of(error), _headers(error)))
    handle(RequestValidationError, lambda error: (_of_request(error), {}))
    handle(Exception, lambda _error: (unexpected(), {}))
    handle(HTTPException, lambda error: (_of_framework(error), error.headers or {}))


def problem_of(error: HephaestusError) -> ProblemDetails:
    """What an error of ours is over HTTP."""
    match error:
        case RunNotFoundError():
            return _problem(HTTPStatus.NOT_FOUND, "not-found", error, reason="not_found")
        case PartitionUnavailableError():
            unavailable = tuple(Unavailable.model_validate(each, from_attributes=True) for each in error.unavailable)
            problem = _problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", error)
            return problem.model_copy(update={"unavailable": unavailable})
        case WorkerNotReadyError():
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", error)
        case InvalidCursorError():
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-cursor", error)
        case CommandError():
            status = _REFUSED.get(error.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
            return _problem(status, "invalid-command", error, reason=error.reason)
        case InvalidKeyError():
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-key", error, reason="invalid_key")
        case NoAnswerError():
            return _problem(HTTPStatus.GATEWAY_TIMEOUT, "no-answer", error)
        case _:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", error)


def unreadable(what: str) -> ProblemDetails:
    """The problem of bytes that are no request."""
    return _problem(HTTPStatus.BAD_REQUEST, "bad-request", what)


def _problem(status: HTTPStatus, kind: str, detail: object, **more: Any) -> ProblemDetails:  # noqa: ANN401 - checked by the model
    return ProblemDetails(
        type=type_of(kind), title=status.phrase, status=status, detail=str(detail)[:_MOST_DETAIL], **more
    )


def _headers(error: HephaestusError) -> dict[str, str]:
    return {"Retry-After": _AGAIN_SECONDS} if problem_of(error).status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def _of_request(error: RequestValidationError) -> ProblemDetails:
    # What was sent is not told again: it may be a secret, or large.
    errors = tuple(
        {"in": ".".join(map(str, each["loc"]))[:200], "message": str(each["msg"])[:500]} for each in error.errors()[:20]
    )
    detail = "; ".join(f"{each['in']}: {each['message']}" for each in errors)
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, errors=errors)


def _of_framework(error: HTTPException) -> ProblemDetails:
    status = HTTPStatus(error.status_code)
    kind = _OF_FRAMEWORK.get(status, "bad-request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "unexpected")
    return _problem(status, kind, error.detail)


def unexpected() -> ProblemDetails:
    """An error that nobody expected, without telling of its inside; the log has the rest."""
    detail = "an unexpected error; the worker's log has its traceback. Please report it"
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail)
