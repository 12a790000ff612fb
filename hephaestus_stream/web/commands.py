"""`POST /instances/{key}/{command}`: the commands of the topic, with the answer of the engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Header, Query
from pydantic import BeforeValidator, JsonValue, ValidationError, create_model

from hephaestus_stream.client import AsyncClient
from hephaestus_stream.errors import WorkerNotReadyError
from hephaestus_stream.settings import Settings
from hephaestus_stream.telemetry.sent import continued
from hephaestus_stream.web.instances import Key
from hephaestus_stream.web.problems import ProblemError, refused, responses
from hephaestus_stream.web.tokens import routes_for
from hephaestus_stream.wire.command import COMMAND_MODELS, Command, CommandId, id_or_new
from hephaestus_stream.wire.http import ADDRESSING
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.problem import problems_of
from hephaestus_stream.wire.token import Tokens

_LONGEST: Final = 60.0


def _utf8(header: object) -> object:
    """A header's value as what it is mostly written in; the framework takes it for Latin-1."""
    return header.encode("latin-1").decode() if isinstance(header, str) else header


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
    """The worker's own client: it is opened by the first command, for all that come meanwhile."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening: asyncio.Task[AsyncClient] | None = None

    async def send(self, command: Command, *, patience: timedelta) -> Reply:
        """Sends a command; returns the engine's answer if it was accepted.

        Raises:
            ProblemError: It was not.
            WorkerNotReadyError: Kafka was not reached in time; the command was not sent.
            NoAnswerError: Nobody answered in time.
        """
        began = asyncio.get_running_loop().time()
        client = await self._opened(patience)
        left = patience - timedelta(seconds=asyncio.get_running_loop().time() - began)
        reply = await client.send(command, timeout=left)
        if not reply.accepted:
            raise refused(reply)
        return reply

    async def close(self) -> None:
        """Lets the client go."""
        if self._opening is None:
            return
        self._opening.cancel()
        [client] = await asyncio.gather(self._opening, return_exceptions=True)
        if isinstance(client, AsyncClient):
            await client.close()

    async def _opened(self, patience: timedelta) -> AsyncClient:
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.create_task(self._open())
            # Those who wait may have gone when it fails; then nobody else would hear of it but the log.
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            async with asyncio.timeout(patience.total_seconds()):
                return await asyncio.shield(self._opening)
        except TimeoutError:
            raise WorkerNotReadyError("the worker has not reached Kafka in time: ask again, or another one") from None

    async def _open(self) -> AsyncClient:
        client = AsyncClient(self._settings.connection, keys=self._settings.keys(), via="kafka")
        await client.open()
        return client


def _trace(
    traceparent: Annotated[str | None, Header(include_in_schema=False)] = None,
    tracestate: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> tuple[str | None, str | None]:
    return traceparent, tracestate


def command_routes(sender: Sender, tokens: Tokens) -> APIRouter:
    """The routes that send commands, one for each kind of them."""
    told = responses(401, 403, 404, 409, 413, 415, 421, 422, 500, 503, 504)
    routes = routes_for("operate", tokens, tag="commands", responses=told)
    for kind, model in COMMAND_MODELS.items():
        _add(routes, sender, kind, model)
    return routes


def _add(routes: APIRouter, sender: Sender, kind: str, model: type[Command]) -> None:
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in model.model_fields.items()
        if (field.alias or name) not in ADDRESSING
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
            "id": id_or_new(idempotency_key),
            "key": key,
        }
        least = model.least_schema({name for name, value in document.items() if value is not None})
        if least > 1:
            addressed["schema"] = least
        wrong = sorted(ADDRESSING.intersection(document))
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
