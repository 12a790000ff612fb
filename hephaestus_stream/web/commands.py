"""`POST /instances/{key}/{command}`: the commands of the topic, with the answer of the engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Header, Query
from pydantic import BeforeValidator, JsonValue, ValidationError, create_model

from hephaestus_stream.client import AsyncClient
from hephaestus_stream.settings import Settings
from hephaestus_stream.telemetry.sent import continued
from hephaestus_stream.web.instances import Key
from hephaestus_stream.web.problems import ProblemError, refused, responses
from hephaestus_stream.web.tokens import requires
from hephaestus_stream.wire.command import COMMAND_MODELS, Command, CommandId, new_id
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.problem import problems_of
from hephaestus_stream.wire.token import Tokens

_LONGEST: Final = 60.0


def _utf8(header: object) -> object:
    """A header's value as what it is mostly written in; the framework takes it for Latin-1."""
    return header.encode("latin-1").decode() if isinstance(header, str) else header


_ADDRESSING: Final = frozenset({"type", "id", "key", "schema_version"})
_SUMMARIES: Final = {
    "start": "Start a run of the key",
    "resume": "Send an event to a node",
    "migrate": "Move the run to another version",
    "cancel": "End the run as cancelled",
    "retry": "Let a failed or halted run go on from where it failed",
    "pause": "Let nothing new begin in the run",
    "continue": "Let a paused run go on",
    "skip": "End a node with an event, in place of its step",
    "terminate": "End the run as cancelled, without waiting for its steps",
}


class Sender:
    """The worker's own client: it is opened by the first command."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def send(self, command: Command, *, patience: timedelta) -> Reply:
        """Sends a command; returns the engine's answer if it was accepted.

        Raises:
            ProblemError: It was not.
            NoAnswerError: Nobody answered in time.
        """
        async with self._opening:
            if self._client is None:
                client = AsyncClient(self._settings.connection, keys=self._settings.keys(), via="kafka")
                await client.open()
                self._client = client
        reply = await self._client.send(command, timeout=patience)
        if not reply.accepted:
            raise refused(reply)
        return reply

    async def close(self) -> None:
        """Lets the client go."""
        if self._client is not None:
            await self._client.close()


def _trace(
    traceparent: Annotated[str | None, Header(include_in_schema=False)] = None,
    tracestate: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> tuple[str | None, str | None]:
    return traceparent, tracestate


def command_routes(sender: Sender, tokens: Tokens) -> APIRouter:
    """The routes that send commands, one for each kind of them."""
    routes = APIRouter(
        tags=["commands"],
        dependencies=[Depends(requires("operate", tokens))],
        responses=responses(401, 403, 404, 409, 413, 415, 421, 422, 500, 503, 504),
    )
    for kind, model in COMMAND_MODELS.items():
        _add(routes, sender, kind, model)
    return routes


def _add(routes: APIRouter, sender: Sender, kind: str, model: type[Command]) -> None:
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in model.model_fields.items() if name not in _ADDRESSING
    }
    content = create_model(f"{kind.capitalize()}Body", __config__=model.model_config, **fields)

    @routes.post(
        f"/instances/{{key}}/{kind}",
        summary=_SUMMARIES[kind],
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": content.model_json_schema()}}}},
    )
    async def send(
        key: Key,
        *,
        document: Annotated[dict[str, JsonValue], Body()],
        trace: Annotated[tuple[str | None, str | None], Depends(_trace)],
        idempotency_key: Annotated[
            Annotated[CommandId, BeforeValidator(_utf8)] | None,
            Header(description="The command's id, in UTF-8: the same one again changes nothing more."),
        ] = None,
        wait: Annotated[float, Query(gt=0, le=_LONGEST, description="Seconds to wait for the answer.")] = 30.0,
    ) -> Reply:
        addressed: dict[str, object] = {
            "type": kind,
            "id": new_id() if idempotency_key is None else idempotency_key,
            "key": key,
        }
        least = model.least_schema({name for name, value in document.items() if value is not None})
        if least > 1:
            addressed["schema"] = least
        wrong = sorted(_ADDRESSING.intersection(document) | {"schema"}.intersection(document))
        if wrong:
            detail = f"{wrong[0]} is told by the path and by Idempotency-Key: leave it out of the body"
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail)
        try:
            command = model.model_validate({**document, **addressed})
        except ValidationError as error:
            detail = problems_of(error, model)
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail) from None
        with continued(*trace):
            return await sender.send(command, patience=timedelta(seconds=wait))
