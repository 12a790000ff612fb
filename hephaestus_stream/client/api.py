"""Asks the workers over HTTP; any of them answers for all partitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from pydantic import ValidationError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from hephaestus_stream.client.question import Question
from hephaestus_stream.errors import (
    ApiRefusedError,
    ApiUnreachableError,
    CommandError,
    HephaestusError,
    InvalidCursorError,
    InvalidKeyError,
    NoAnswerError,
    PartitionUnavailableError,
    RunNotFoundError,
    UsageError,
)
from hephaestus_stream.wire.command import Command, encode_command
from hephaestus_stream.wire.http import ADDRESSING, NAMESPACE_HEADER
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.problem_details import ProblemDetails

ResultT = TypeVar("ResultT")

TIMEOUT_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 10.0
"""For how long partitions that change hands are asked for again."""

_LONGEST_WAIT: Final = 60.0
_LAST_WORD_SECONDS: Final = 2.0
"""What a worker gets on top to say that it has no answer."""

_NEXT: Final = (httpx.HTTPError, PartitionUnavailableError, ApiUnreachableError, NoAnswerError)
"""Where one worker fails like that, the next is asked."""

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, PartitionUnavailableError, ApiUnreachableError)
"""Those after which a command has certainly reached no topic."""

# What is on this machine needs no proxy, whatever the environment says.
_DIRECT: Final = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}

_UNAVAILABLE: Final = retry_if_exception_type(PartitionUnavailableError)
_STOP: Final = stop_after_delay(PATIENCE_SECONDS)
_WAIT: Final = wait_random_exponential(multiplier=0.2, max=1)


@dataclass(frozen=True, slots=True)
class ApiPlace:
    """Where workers answer, and what they want to see.

    Attributes:
        urls: Of one worker or several; the next is asked where one does not answer.
        namespace: Of the workers that are meant; one of another namespace says that it is.
        token: For those who ask for one.
    """

    urls: tuple[str, ...]
    namespace: str
    token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What is sent along."""
        shown = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return {NAMESPACE_HEADER: self.namespace, **shown}

    def failure(self, failures: Sequence[Exception]) -> HephaestusError:
        """What is told where none of them has an answer: what one of them has said, else that nobody answers."""
        for told in failures:
            if isinstance(told, HephaestusError):
                return told
        where = ", ".join(self.urls)
        unreachable = ApiUnreachableError(
            f"no worker answers over HTTP at {where} ({type(failures[-1]).__name__}): start one, or say where one is "
            "with the setting `api` (HEPHAESTUS_API, --api)"
        )
        unreachable.__cause__ = failures[-1]
        return unreachable


def api_place(api: str | None, token: str | None, namespace: str) -> ApiPlace:
    """The place that is given, else that of the settings, in a namespace.

    Raises:
        SettingsError: A setting is wrong.
    """
    # Only here are settings needed, and pydantic-settings takes a quarter of a second to import.
    from hephaestus_stream.settings import load_settings  # noqa: PLC0415

    settings = load_settings(**({} if api is None else {"api": api}))
    return ApiPlace(tuple(settings.api.split(",")), namespace, settings.token_for_api() if token is None else token)


class Api:
    """The blocking side."""

    def __init__(self, place: ApiPlace) -> None:
        self._place = place
        self._client = httpx.Client(headers=place.headers, timeout=TIMEOUT_SECONDS, mounts=_DIRECT)

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
        failures: list[Exception] = []
        for url in self._place.urls:
            try:
                return _read(question, self._client.get(url + question.path, params=question.parameters))
            except _NEXT as error:
                failures.append(error)
        raise self._place.failure(failures)


class AsyncApi:
    """The side of those who have an event loop; see `Api`."""

    def __init__(self, place: ApiPlace) -> None:
        self._place = place
        self._client = httpx.AsyncClient(headers=place.headers, timeout=TIMEOUT_SECONDS, mounts=_DIRECT)

    async def ask(self, question: Question[ResultT]) -> ResultT:
        """The answer, as of `Api.ask`."""
        async for attempt in AsyncRetrying(retry=_UNAVAILABLE, stop=_STOP, wait=_WAIT, reraise=True):
            with attempt:
                return await self._once(question)
        raise AssertionError("the last attempt raises")  # pragma: no cover

    async def send(self, command: Command, *, within: float, headers: Mapping[str, str]) -> Reply:
        """The engine's answer to a command, accepted or refused.

        Args:
            command: What is sent; its id makes it safe to repeat.
            within: Seconds until it is given up.
            headers: What is sent along.

        Raises:
            NoAnswerError: Nobody answered in time; the command may be applied all the same.
            ApiUnreachableError: No worker could be connected to.
            ApiRefusedError: The token is missing, wrong, or of another role.
            CommandError: It is no command.
        """
        deadline = time.monotonic() + within
        body = body_of(command)
        path = f"/instances/{quote(command.key, safe='')}/{command.type}"
        sent = _headers_of(command, headers)
        may_have_arrived = False
        asking = AsyncRetrying(retry=retry_if_exception(_may_pass), stop=_given_up(within), wait=_WAIT, reraise=True)
        async for attempt in asking:
            with attempt:
                failures: list[Exception] = []
                for url in self._place.urls:
                    left = max(0.1, deadline - time.monotonic())
                    try:
                        answer = await self._client.post(
                            url + path,
                            content=body,
                            headers=sent,
                            params={"wait": min(left, _LONGEST_WAIT)},
                            timeout=left + _LAST_WORD_SECONDS,
                        )
                        return _reply(command, answer)
                    except _NEXT as error:
                        failures.append(error)
                        may_have_arrived = may_have_arrived or not isinstance(error, _NOT_SENT)
                    except HephaestusError as error:
                        if may_have_arrived:  # at another worker, whatever this one says
                            raise no_answer(command) from error
                        raise
                if may_have_arrived:
                    raise no_answer(command) from failures[-1]
                raise self._place.failure(failures)
        raise AssertionError("the last attempt raises")  # pragma: no cover

    async def close(self) -> None:
        """Lets the connections go."""
        await self._client.aclose()

    async def _once(self, question: Question[ResultT]) -> ResultT:
        failures: list[Exception] = []
        for url in self._place.urls:
            try:
                return _read(question, await self._client.get(url + question.path, params=question.parameters))
            except _NEXT as error:
                failures.append(error)
        raise self._place.failure(failures)


def body_of(command: Command) -> bytes:
    """A command's fields but those that stand in the path and the headers."""
    document: dict[str, object] = msgspec.json.decode(encode_command(command))
    return msgspec.json.encode({name: value for name, value in document.items() if name not in ADDRESSING})


def _headers_of(command: Command, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The headers of a request; the id is Unicode, which is UTF-8 in them.

    Raises:
        CommandError: The id would come out as another one.
    """
    if command.id != command.id.strip(" "):
        problem = f"the command's id '{command.id}' begins or ends with a space, which HTTP takes away: leave it out"
        raise CommandError(problem, reason="undecodable", id=command.id, key=command.key)
    sent = {**headers, "Idempotency-Key": command.id, "Content-Type": "application/json"}
    return [(name.encode(), value.encode()) for name, value in sent.items()]


def no_answer(command: Command) -> NoAnswerError:
    """The error of a command that nobody has answered in time."""
    return NoAnswerError(f"no answer to the {command.type} of {command.key}", command_id=command.id)


def _may_pass(error: BaseException) -> bool:
    """Whether the same command may be answered the next time."""
    return isinstance(error, PartitionUnavailableError | NoAnswerError) or isinstance(
        error.__cause__, httpx.ConnectError | httpx.ConnectTimeout
    )


def _given_up(within: float) -> Callable[[RetryCallState], bool]:
    """Where no worker can be connected to, sooner: nothing was sent."""

    def stop(state: RetryCallState) -> bool:
        error = None if state.outcome is None else state.outcome.exception()
        patience = min(within, PATIENCE_SECONDS) if isinstance(error, ApiUnreachableError) else within
        return (state.seconds_since_start or 0.0) >= patience

    return stop


def _reply(command: Command, answer: httpx.Response) -> Reply:
    if answer.status_code == HTTPStatus.OK:
        try:
            return Reply.model_validate_json(answer.content)
        except ValidationError:
            raise ApiUnreachableError(f"{answer.url.netloc.decode()} does not answer as a worker does") from None
    problem = ProblemDetails.of(answer.content)
    if problem.reply is not None:
        return problem.reply
    match answer.status_code:
        case 413:
            raise CommandError(_detail(problem, answer), reason="too_large", id=command.id, key=command.key)
        case 400 | 414 | 415 | 422 if problem.kind != "invalid-key":
            reason = problem.reason or "invalid_payload"
            raise CommandError(_detail(problem, answer), reason=reason, id=command.id, key=command.key)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise no_answer(command)
        case _:
            raise _error(problem, answer)


def _read(question: Question[ResultT], answer: httpx.Response) -> ResultT:
    if answer.status_code == HTTPStatus.OK:
        try:
            return question.read(answer.content)
        except ValidationError:
            raise ApiUnreachableError(f"{answer.url.netloc.decode()} does not answer as a worker does") from None
    raise _error(ProblemDetails.of(answer.content), answer)


def _error(problem: ProblemDetails, answer: httpx.Response) -> HephaestusError:
    detail, kind = _detail(problem, answer), problem.kind
    match answer.status_code:
        case 401 | 403:
            return ApiRefusedError(
                f"{detail}: give it with the setting `api_token_file`, HEPHAESTUS_API_TOKEN or api_token="
            )
        case 404 if problem.reason == "not_found":
            return RunNotFoundError(detail)
        case 503:
            return PartitionUnavailableError(problem.unavailable, detail)
        case 421 if kind == "other-namespace":
            return ApiUnreachableError(
                f"{detail}, by the setting `namespace` (HEPHAESTUS_NAMESPACE), or `api` (HEPHAESTUS_API)"
            )
        case 422 if kind == "invalid-cursor":
            return InvalidCursorError(detail)
        case 422 if kind == "invalid-key":
            return InvalidKeyError(detail)
        case 400 | 414 | 422:
            return UsageError(f"this cannot be asked: {detail}")
        case _:
            where = answer.url.netloc.decode()
            return ApiUnreachableError(
                f"{where} answers {answer.status_code}{f': {problem.detail}' * bool(problem.detail)}"
            )


def _detail(problem: ProblemDetails, answer: httpx.Response) -> str:
    return problem.detail or f"{answer.url.netloc.decode()} answers {answer.status_code}"
