"""Another worker, asked over HTTP for the partitions that it owns: one hop, which it goes no further."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from hephaestus_stream.errors import PartitionUnavailableError, RunNotFoundError
from hephaestus_stream.runtime.queries.directory import Member
from hephaestus_stream.runtime.queries.reads import READ_SECONDS
from hephaestus_stream.wire.http import PARTITIONS_HEADER, WORKER_HEADER
from hephaestus_stream.wire.instance import Unavailable, UnavailableReason
from hephaestus_stream.wire.problem_details import ProblemDetails

_CONNECT_SECONDS: Final = 5.0
_LAST_WORD_SECONDS: Final = 1.0
"""What the owner gets on top to say that it needs longer."""

ModelT = TypeVar("ModelT", bound=BaseModel)

Parameters = Mapping[str, str | int | Sequence[str]]


class Peers:
    """The other workers of the group.

    Args:
        token: What they ask for, where they do.
    """

    def __init__(self, token: str | None) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # A proxy of the environment is for the world outside.
        self._client = httpx.AsyncClient(headers=headers, trust_env=False)

    async def ask(
        self,
        member: Member,
        path: str,
        model: type[ModelT],
        *,
        partitions: Collection[int],
        parameters: Parameters,
        seconds: float = READ_SECONDS,
    ) -> ModelT | tuple[Unavailable, ...]:
        """Asks a worker about partitions of its own, for so long and a moment more.

        Raises:
            RunNotFoundError: It has no such run.
        """
        if self._client.is_closed:
            return lacking(partitions, "unreachable", "this worker ends, and asks no other any more: ask another")
        if member.url is None:
            return lacking(
                partitions, "unreachable", "its owner serves no HTTP: `http` is off there, or its URL is none"
            )
        headers = {PARTITIONS_HEADER: ",".join(map(str, sorted(partitions))), WORKER_HEADER: member.id}
        try:
            answer = await self._client.get(
                f"{member.url}{path}",
                params=_given(parameters),
                headers=headers,
                timeout=httpx.Timeout(_CONNECT_SECONDS, read=seconds + _LAST_WORD_SECONDS),
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            message = f"its owner at {member.url} does not answer ({type(error).__name__})"
            return lacking(partitions, "unreachable", message)
        if answer.status_code == HTTPStatus.OK:
            try:
                return model.model_validate_json(answer.content)
            except ValidationError:
                return lacking(partitions, "unreachable", f"{member.url} does not answer as a worker does")
        return _refused(member, answer, partitions)

    async def close(self) -> None:
        """Lets the connections go."""
        await self._client.aclose()


def lacking(partitions: Collection[int], reason: UnavailableReason, message: str) -> tuple[Unavailable, ...]:
    """These partitions, and why they cannot be asked."""
    return tuple(Unavailable(partition=each, reason=reason, message=message) for each in sorted(partitions))


def instance_path(key: str) -> str:
    """The path of an instance: its key is one segment of it, whatever it holds."""
    return f"/instances/{quote(key, safe='')}"


def _given(parameters: Parameters) -> dict[str, str | int | Sequence[str]]:
    return {name: value for name, value in parameters.items() if value not in ("", ())}


def _refused(member: Member, answer: httpx.Response, partitions: Collection[int]) -> tuple[Unavailable, ...]:
    problem = ProblemDetails.of(answer.content)
    if answer.status_code == HTTPStatus.NOT_FOUND and problem.reason == "not_found":
        raise RunNotFoundError(problem.detail)
    if problem.unavailable:
        return problem.unavailable
    detail = problem.detail or f"it answers {answer.status_code}"
    return lacking(partitions, "unreachable", f"its owner at {member.url}: {detail}")


def found(answer: ModelT | tuple[Unavailable, ...]) -> ModelT:
    """The answer about one key.

    Raises:
        PartitionUnavailableError: There is none.
    """
    if isinstance(answer, tuple):
        raise PartitionUnavailableError(answer)
    return answer
