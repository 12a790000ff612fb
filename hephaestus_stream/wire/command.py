"""Commands: what anyone may publish to make a workflow start, go on, pause or stop."""

from __future__ import annotations

from collections.abc import Container
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias, cast

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, Strict, ValidationError, model_validator
from pydantic_core import PydanticSerializationError, to_json
from uuid_utils import uuid7

from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.errors import CommandError, InvalidKeyError
from hephaestus_stream.wire.key import split_key
from hephaestus_stream.wire.problem import problems_of
from hephaestus_stream.wire.sound_json import MAX_DEPTH, is_too_deep, require_sound

COMMAND_SCHEMA: Final = 3
"""The newest schema that this release reads; a command is written in the oldest that has what it says."""
STEERING_SCHEMA: Final = 3
"""The first one that knows of operators: of commands that steer a run, and of who cancels one."""
MAX_COMMAND_ID_LENGTH: Final = 100
MAX_NAME_LENGTH: Final = 200
# A reason is kept with the instance, and a cancel must fit however full the instance is.
MAX_REASON_LENGTH: Final = 1_000
# Versions fit a 32-bit integer, since consumers keep them in columns.
MAX_VERSION: Final = 2**31 - 1

_NO_CONTROLS: Final = r"^[^\u0000-\u001f\u007f-\u009f]+$"
_KEY_SHAPE: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*::[^\u0000-\u001f\u007f-\u009f]+$"


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that are not printable: leave them out")
    return text


def _well_formed(key: str) -> str:
    split_key(key)
    return key


# The patterns are for the published JSON Schema: regular expressions know "printable" in no two languages alike.
def _storable(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        msgspec.msgpack.encode(metadata)
    except (OverflowError, ValueError, RecursionError):
        raise ValueError("holds a whole number beyond 64 bits, or text that is not Unicode: send a text") from None
    return metadata


CommandId = Annotated[
    str,
    Field(min_length=1, max_length=MAX_COMMAND_ID_LENGTH, json_schema_extra={"pattern": _NO_CONTROLS}),
    AfterValidator(_printable),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME_LENGTH, json_schema_extra={"pattern": _NO_CONTROLS}),
    AfterValidator(_printable),
]
Key = Annotated[str, Field(json_schema_extra={"pattern": _KEY_SHAPE}), AfterValidator(_well_formed)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION)]
Reason = Annotated[str, Field(max_length=MAX_REASON_LENGTH)]


class _Addressed(BaseModel):
    """What every command says: which one it is, and whom it is for.

    Strict, because a number written as text is a mistake of the publisher. Unknown fields are refused, because a typo
    must not pass. A `null` stands for an optional field that is left out, as many languages write it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    SCHEMA: ClassVar[int] = 1
    """The oldest schema that has such a command; where it is not the first, a command must say so, for the workers that
    read no other must be able to say that."""

    schema_version: int = Field(default=1, alias="schema", ge=1, le=COMMAND_SCHEMA)
    id: CommandId
    workflow: Name
    version: Version | None = None
    key: Key

    @classmethod
    def least_schema(cls, fields: Container[str]) -> int:  # noqa: ARG003 - those that it was born with need no other
        """The oldest schema that has such a command with these fields."""
        return cls.SCHEMA


class StartCommand(_Addressed):
    """Starts a run of the key; the run is named by the command's id."""

    type: Literal["start"] = "start"
    input: JsonValue
    # A list is what JSON has, so this field alone is not strict.
    tags: Annotated[tuple[Name, ...], Strict(strict=False)] = ()
    # Unlike the input, which is kept as the JSON that it is, metadata are kept as values.
    metadata: Annotated[dict[str, JsonValue], AfterValidator(_storable)] = Field(default_factory=dict)
    on_conflict: OnConflict = "reject"

    def input_json(self) -> bytes:
        """The input as JSON in UTF-8."""
        return _json_bytes(self.input)


class ResumeCommand(_Addressed):
    """Sends an external event to a node of the key's live run."""

    type: Literal["resume"] = "resume"
    run: CommandId | None = None
    node: Name | None = None
    event: Name
    payload: JsonValue = None

    def payload_json(self) -> bytes:
        """The payload as JSON in UTF-8; `null` where the event has none."""
        return _json_bytes(self.payload)


class MigrateCommand(_Addressed):
    """Moves the key's live run to another version of its workflow.

    `version` says which run is meant, as everywhere; `to_version` where it goes, the current version unless given.
    """

    SCHEMA: ClassVar[int] = 2
    schema_version: int = Field(alias="schema", ge=SCHEMA, le=COMMAND_SCHEMA)
    type: Literal["migrate"] = "migrate"
    run: CommandId | None = None
    to_version: Version | None = None


class CancelCommand(_Addressed):
    """Ends the key's live run as cancelled."""

    type: Literal["cancel"] = "cancel"
    run: CommandId | None = None
    by: Name | None = None
    reason: Reason | None = None

    @classmethod
    def least_schema(cls, fields: Container[str]) -> int:
        """The oldest schema that has such a command with these fields: `by` came later."""
        return STEERING_SCHEMA if "by" in fields else cls.SCHEMA

    @model_validator(mode="after")
    def _says_its_schema(self) -> Self:
        if self.by is not None and self.schema_version < STEERING_SCHEMA:
            raise ValueError(f"'by' needs the schema {STEERING_SCHEMA}: write it")
        return self


class _Steering(_Addressed):
    """What commands have in common that operators send: who, and why; both are for the history."""

    SCHEMA: ClassVar[int] = STEERING_SCHEMA
    schema_version: int = Field(alias="schema", ge=SCHEMA, le=COMMAND_SCHEMA)
    run: CommandId | None = None
    by: Name | None = None
    reason: Reason | None = None


class RetryCommand(_Steering):
    """Lets the key's failed or halted run go on from where it failed."""

    type: Literal["retry"] = "retry"


class PauseCommand(_Steering):
    """Lets nothing new begin in the key's live run."""

    type: Literal["pause"] = "pause"


class ContinueCommand(_Steering):
    """Lets the key's paused run go on."""

    type: Literal["continue"] = "continue"


class SkipCommand(_Steering):
    """Ends a node of the key's run with an event, in place of its step."""

    type: Literal["skip"] = "skip"
    node: Name
    event: Name
    payload: JsonValue = None

    def payload_json(self) -> bytes:
        """The payload as JSON in UTF-8; `null` where the event has none."""
        return _json_bytes(self.payload)


class TerminateCommand(_Steering):
    """Ends the key's live run as cancelled, without waiting for the code of its steps to end."""

    type: Literal["terminate"] = "terminate"


SteeringCommand: TypeAlias = RetryCommand | PauseCommand | ContinueCommand | SkipCommand | TerminateCommand
Command: TypeAlias = StartCommand | ResumeCommand | MigrateCommand | CancelCommand | SteeringCommand

COMMAND_MODELS: Final[dict[str, type[Command]]] = {
    "start": StartCommand,
    "resume": ResumeCommand,
    "migrate": MigrateCommand,
    "cancel": CancelCommand,
    "retry": RetryCommand,
    "pause": PauseCommand,
    "continue": ContinueCommand,
    "skip": SkipCommand,
    "terminate": TerminateCommand,
}
"""The commands by their type."""

_DECODER: Final = msgspec.json.Decoder()


def id_or_new(given: str | None) -> str:
    """The id that a command is given, else a new one; an empty one is a mistake, which the command refuses."""
    return new_id() if given is None else given


def new_id() -> str:
    """A new command's id: a UUID of version 7, so that ids made later sort later."""
    return str(uuid7())


def encode_command(command: Command) -> bytes:
    """Writes a command as a worker reads it; optional fields that were not set are left out.

    Raises:
        CommandError: The input, payload or metadata is no JSON (`invalid_payload`).
    """
    document: dict[str, object] = {"type": command.type}
    for name, field in type(command).model_fields.items():
        value: object = getattr(command, name)
        if name in document or (name not in command.model_fields_set) or (value is None and not field.is_required()):
            continue
        document[field.alias or name] = value
    try:
        encoded = _json_bytes(document)
    except ValueError as error:
        raise unwritable(command, error) from None
    return encoded


def unwritable(command: Command, error: ValueError) -> CommandError:
    """The error of a command whose payload is no JSON."""
    return CommandError(
        f"the {command.type} command cannot be written: {error}",
        reason="invalid_payload",
        id=command.id,
        key=command.key,
    )


def decode_command(value: bytes | None) -> Command:
    """Reads a command from a record's value, whatever bytes somebody published.

    Raises:
        CommandError: It is no command (`undecodable`) or one of a later schema (`unsupported_schema`).
    """
    document = _document(value)
    _check_schema(document)
    kind = document.get("type")
    model = COMMAND_MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        wrong = "is missing" if kind is None else "is unknown"
        raise _refusal(document, f"'type' {wrong}: write one of {', '.join(map(repr, COMMAND_MODELS))}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _refusal(document, f"the {kind} command is wrong: {problems_of(error, model)}") from None


def _document(value: bytes | None) -> dict[str, object]:
    """The JSON object in a record's value, within the depth that everything behind this can carry."""
    if value is None:
        raise CommandError("the record has no value: publish a JSON object", reason="undecodable")
    try:
        document: object = _DECODER.decode(value)
    except RecursionError:
        raise CommandError(f"the JSON nests deeper than {MAX_DEPTH} levels: flatten it", reason="undecodable") from None
    except (msgspec.MsgspecError, ValueError) as error:
        # Both name a position and at most one byte, never the content.
        raise CommandError(
            f"the record is no JSON in UTF-8 ({error}): publish a JSON object", reason="undecodable"
        ) from None
    if not isinstance(document, dict):
        raise CommandError("the record is JSON but no object: publish a JSON object", reason="undecodable")
    fields = cast("dict[str, object]", document)
    if is_too_deep(fields, value):
        raise _refusal(fields, f"the JSON nests deeper than {MAX_DEPTH} levels: flatten it")
    return fields


def _check_schema(document: dict[str, object]) -> None:
    """Refuses a later schema before looking at any field, since those fields may be new."""
    schema = document.get("schema", 1)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise _refusal(document, "'schema' is no positive integer: write 1 or leave it out")
    if schema > COMMAND_SCHEMA:
        raise _refusal(
            document,
            f"this worker reads commands up to schema {COMMAND_SCHEMA}: upgrade the workers before the clients",
            reason="unsupported_schema",
        )


def _refusal(document: dict[str, object], message: str, *, reason: str = "undecodable") -> CommandError:
    """The error with the command's id and key, where those two are sound enough for an answer to carry them."""
    identity, key = document.get("id"), document.get("key")
    return CommandError(
        message,
        reason=reason,
        id=identity if isinstance(identity, str) and _is_command_id(identity) else None,
        key=key if isinstance(key, str) and _is_key(key) else None,
    )


def _is_command_id(text: str) -> bool:
    return 0 < len(text) <= MAX_COMMAND_ID_LENGTH and text.isprintable()


def _is_key(text: str) -> bool:
    try:
        split_key(text)
    except InvalidKeyError:
        return False
    return True


def _json_bytes(value: object) -> bytes:
    """The value as JSON, or a ValueError that says why it is none: NaN must not turn into `null` in silence."""
    try:
        encoded = to_json(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError):
        raise ValueError("it holds text that is not Unicode, or nests without end: send plain JSON") from None
    return require_sound(encoded)
