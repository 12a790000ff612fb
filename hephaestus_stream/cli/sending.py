"""Sends a command and tells its answer: what the commands of the command line have in common."""

from __future__ import annotations

import asyncio
import getpass
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from cyclopts import Group, Parameter
from cyclopts.validators import Number
from pydantic import ValidationError
from rich.text import Text

from hephaestus_stream.cli.options import ADDRESS_DEFAULTS, KAFKA_DEFAULTS, ApiAddress, KafkaOptions
from hephaestus_stream.cli.output import Output, show
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.client import AsyncClient
from hephaestus_stream.client.run import require_accepted
from hephaestus_stream.errors import NoAnswerError, UsageError
from hephaestus_stream.settings import Settings
from hephaestus_stream.wire.command import Command, id_or_new
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.problem import problems_of
from hephaestus_stream.wire.request import Told as TellsHistory

_LONGEST_TIMEOUT: Final = 86_400.0

CommandT = TypeVar("CommandT", bound=Command)

Timeout = Annotated[
    float,
    Parameter(
        validator=Number(gt=0, lte=_LONGEST_TIMEOUT), help="For how many seconds to wait for the answer of a worker."
    ),
]
RunId = Annotated[str | None, Parameter(name="--run", help="Which run of the key, where several live.")]


@Parameter(name="*", group=Group("For the history", sort_key=2))
@dataclass(frozen=True, kw_only=True)
class Told:
    """Who steers, and why."""

    by: Annotated[str | None, Parameter(help="Who does it; your login unless given.")] = None
    reason: Annotated[str | None, Parameter(help="Why.")] = None

    def given(self) -> TellsHistory:
        """What the command says of it."""
        return {"by": self.by or _login(), "reason": self.reason}


NOBODY = Told()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """How a command is sent, and how its answer is shown."""

    command_id: Annotated[
        str | None, Parameter(name="--command-id", help="Makes the command repeatable: once is once.")
    ] = None
    timeout: Timeout = 30.0
    output: Output = "text"
    kafka: KafkaOptions = KAFKA_DEFAULTS
    address: ApiAddress = ADDRESS_DEFAULTS

    def id(self) -> str:
        """That which was given to the command, else a new one."""
        return id_or_new(self.command_id)

    @property
    def patience(self) -> timedelta:
        """How long the answer is waited for."""
        return timedelta(seconds=self.timeout)

    def settings(self) -> Settings:
        """The settings, when a broker has answered at their address, unless commands go by HTTP.

        Raises:
            SettingsError: A setting is unknown or has a bad value.
            BrokerUnreachableError: None does.
        """
        settings = self.kafka.settings(**self.address.given())
        if settings.via == "kafka":
            require_broker(settings)
        return settings


DEFAULTS = SendOptions()


def made(model: type[CommandT], **fields: Any) -> CommandT:  # noqa: ANN401 - checked by the model
    """A command of what somebody has typed.

    Raises:
        UsageError: It is none.
    """
    try:
        return model(**fields)
    except ValidationError as error:
        raise UsageError(f"this is no command: {problems_of(error, model)}") from None


def client_of(settings: Settings) -> AsyncClient:
    """A client that goes the way of the settings."""
    return AsyncClient(
        settings.connection,
        keys=settings.keys(),
        api=settings.api,
        api_token=settings.token_for_api(),
        via=settings.via,
    )


def send(command: Command, what: str, options: SendOptions) -> None:
    """Sends a command, and tells what was done."""
    reply = asyncio.run(_sent(command, options.settings(), options))
    text = Text.assemble(("✓ ", "green"), what, " ", (command.key, "bold"))
    if reply.effect == "kept":
        text.append(f"; {reply.message or 'it came early and is kept until its node waits'}", "yellow")
    elif reply.effect == "existing":
        text.append("; nothing had to be done", "yellow")
    elif reply.message is not None:
        text.append(f" {reply.message}")
    show(text, document=reply_document(reply), output=options.output)


async def _sent(command: Command, settings: Settings, options: SendOptions) -> Reply:
    async with client_of(settings) as client:
        return await accepted(client, command, options)


async def accepted(client: AsyncClient, command: Command, options: SendOptions) -> Reply:
    """The answer, if the command was accepted; a program gets a refusal as a document too."""
    try:
        reply = await client.send(command, timeout=options.patience)
    except NoAnswerError as error:
        way_out = f"the same again with --command-id {error.command_id} is safe"
        raise NoAnswerError(error.problem, command_id=error.command_id, way_out=way_out) from None
    if not reply.accepted and options.output == "json":
        show("", document=reply_document(reply), output=options.output)
    require_accepted(reply)
    return reply


def reply_document(reply: Reply) -> object:
    """An answer for programs."""
    return reply.model_dump(mode="json", by_alias=True)


def _login() -> str | None:
    """Who is at the keyboard; a container may not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None
