"""Asks the workers over HTTP; any of them answers for all partitions."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from hephaestus_stream.client.question import Question
from hephaestus_stream.errors import (
    ApiRefusedError,
    ApiUnreachableError,
    HephaestusError,
    InvalidCursorError,
    InvalidKeyError,
    PartitionUnavailableError,
    RunNotFoundError,
)
from hephaestus_stream.wire.instance import Unavailable

ResultT = TypeVar("ResultT")

TIMEOUT_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 10.0
"""For how long partitions that change hands are asked for again."""

_UNAVAILABLE: Final = retry_if_exception_type(PartitionUnavailableError)
_STOP: Final = stop_after_delay(PATIENCE_SECONDS)
_WAIT: Final = wait_random_exponential(multiplier=0.2, max=1)


@dataclass(frozen=True, slots=True)
class ApiPlace:
    """Where workers answer, and what they want to see.

    Attributes:
        urls: Of one worker or several; the next is asked where one does not answer.
        token: For those who ask for one.
    """

    urls: tuple[str, ...]
    token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What is sent along."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def unreachable(self, error: httpx.HTTPError | None) -> ApiUnreachableError:
        """Nobody answers."""
        where = ", ".join(self.urls)
        return ApiUnreachableError(
            f"no worker answers over HTTP at {where} ({type(error).__name__}): start one with `--http`, or say where "
            "one is with the setting `api` (HEPHAESTUS_API, --api)"
        )


def api_place(api: str | None, token: str | None) -> ApiPlace:
    """The place that is given, else that of the settings.

    Raises:
        SettingsError: A setting is wrong.
    """
    # Only here are settings needed, and pydantic-settings takes a quarter of a second to import.
    from hephaestus_stream.settings import load_settings  # noqa: PLC0415

    settings = load_settings(**({} if api is None else {"api": api}))
    return ApiPlace(tuple(settings.api.split(",")), settings.token_for_api() if token is None else token)


class Api:
    """The blocking side."""

    def __init__(self, place: ApiPlace) -> None:
        self._place = place
        self._client = httpx.Client(headers=place.headers, timeout=TIMEOUT_SECONDS)

    def ask(self, question: Question[ResultT]) -> ResultT:
        """The answer.

        Raises:
            ApiUnreachableError: No worker answers.
            ApiRefusedError: The token is missing, wrong, or of another role.
            PartitionUnavailableError: A partition could not be asked for 10 s.
            RunNotFoundError: There is no such run.
        """
        for attempt in Retrying(retry=_UNAVAILABLE, stop=_STOP, wait=_WAIT, reraise=True):
            with attempt:
                return self._once(question)
        raise AssertionError("the last attempt raises")  # pragma: no cover

    def close(self) -> None:
        """Lets the connections go."""
        self._client.close()

    def _once(self, question: Question[ResultT]) -> ResultT:
        failure: httpx.HTTPError | None = None
        for url in self._place.urls:
            try:
                return _read(question, self._client.get(url + question.path, params=question.parameters))
            except httpx.HTTPError as error:
                failure = error
        raise self._place.unreachable(failure) from failure


class AsyncApi:
    """The side of those who have an event loop; see `Api`."""

    def __init__(self, place: ApiPlace) -> None:
        self._place = place
        self._client = httpx.AsyncClient(headers=place.headers, timeout=TIMEOUT_SECONDS)

    async def ask(self, question: Question[ResultT]) -> ResultT:
        """The answer, as of `Api.ask`."""
        async for attempt in AsyncRetrying(retry=_UNAVAILABLE, stop=_STOP, wait=_WAIT, reraise=True):
            with attempt:
                return await self._once(question)
        raise AssertionError("the last attempt raises")  # pragma: no cover

    async def close(self) -> None:
        """Lets the connections go."""
        await self._client.aclose()

    async def _once(self, question: Question[ResultT]) -> ResultT:
        failure: httpx.HTTPError | None = None
        for url in self._place.urls:
            try:
                return _read(question, await self._client.get(url + question.path, params=question.parameters))
            except httpx.HTTPError as error:
                failure = error
        raise self._place.unreachable(failure) from failure


class _Problem(BaseModel):
    type: str = ""
    detail: str = ""
    reason: str | None = None
    unavailable: tuple[Unavailable, ...] = ()


def _read(question: Question[ResultT], answer: httpx.Response) -> ResultT:
    if answer.status_code == HTTPStatus.OK:
        try:
            return question.read(answer.content)
        except ValidationError:
            raise ApiUnreachableError(f"{answer.url.netloc.decode()} does not answer as a worker does") from None
    try:
        problem = _Problem.model_validate_json(answer.content)
    except ValidationError:
        problem = _Problem()
    raise _error(problem, answer)


def _error(problem: _Problem, answer: httpx.Response) -> HephaestusError:
    detail = problem.detail or f"{answer.url.netloc.decode()} answers {answer.status_code}"
    kind = problem.type.rpartition(":")[2]
    match answer.status_code:
        case 401 | 403:
            return ApiRefusedError(
                f"{detail}: give it with the setting `api_token_file`, HEPHAESTUS_API_TOKEN or api_token="
            )
        case 404 if problem.reason == "not_found":
            return RunNotFoundError(detail)
        case 503:
            return PartitionUnavailableError(problem.unavailable, detail)
        case 422 if kind == "invalid-cursor":
            return InvalidCursorError(detail)
        case 422 if kind == "invalid-key":
            return InvalidKeyError(detail)
        case _:
            return ApiUnreachableError(f"{answer.url.netloc.decode()} answers {answer.status_code}: {detail}")
