"""What the verbs of both clients take, and where their connection comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypedDict, cast, get_args

from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.key import KeyProvider
from hephaestus_stream.errors import UsageError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import Told

Via = Literal["kafka", "http"]

_HOLDER: Final = "this client"


class Sending(TypedDict, total=False):
    """How a command is sent: keywords that every verb takes.

    Attributes:
        command_id: The identity of the command; the same id again has no further effect. A new one unless given.
        wait: Whether to wait for the engine's answer, as is usual; without, the verb returns as soon as the broker
            holds the command, and a refusal goes to the dead letters.
        timeout: When to give up; 30 s unless given.
    """

    command_id: str | None
    wait: bool
    timeout: timedelta


class Starting(Sending, total=False):
    """What a start takes beyond that.

    Attributes:
        tags: Words to find the run by, beside the workflow's own.
        metadata: Anything that JSON can hold.
        on_conflict: What to do where the key has a live run: `reject`, `return_existing` or `terminate_existing`.
        version: The version to start, or `current` for the one that the workers take for it; that of the class unless
            given.
    """

    tags: tuple[str, ...]
    metadata: dict[str, object] | None
    on_conflict: OnConflict
    version: int | Literal["current"]


class Resuming(Sending, total=False):
    """What a resume takes beyond that.

    Attributes:
        run: The run that is meant, where a key has several.
    """

    run: str | None


class Steering(Resuming, Told, total=False):
    """What cancel and the verbs of operators take beyond that."""


def seconds_of(timeout: timedelta) -> float:
    """A deadline's length.

    Raises:
        TypeError: It is no duration, as a number of seconds is none.
    """
    if not isinstance(cast("object", timeout), timedelta):
        raise TypeError(f"timeout={timeout!r} is no duration; give a timedelta, as timedelta(seconds=30)")
    return timeout.total_seconds()


@dataclass(frozen=True, slots=True)
class Reach:
    """How a client reaches the engine.

    Attributes:
        connection: Cluster and namespace.
        cipher: Seals payloads, and opens them.
        via: How commands go.
    """

    connection: Connection
    cipher: Cipher
    via: Via


def reach_of(
    connection: Connection | None,
    *,
    bootstrap: str | None,
    namespace: str | None,
    keys: KeyProvider | None,
    via: Via | None,
) -> Reach:
    """The given connection and keys, else those of the settings, with what is given here in their place.

    Raises:
        SettingsError: A setting is wrong.
        UsageError: Commands cannot go that way.
        TypeError: A connection is given, and another one beside it.
    """
    if via not in {None, *get_args(Via)}:
        raise UsageError(f"via={via!r} is no way for commands: give {' or '.join(map(repr, get_args(Via)))}")
    if connection is not None:
        if bootstrap is not None or namespace is not None:
            raise TypeError("give a connection, or bootstrap= and namespace=, not both")
        return Reach(connection, NO_KEYS if keys is None else Cipher(keys, holder=_HOLDER), via or "kafka")
    # Only here are settings needed, and pydantic-settings takes a quarter of a second to import.
    from hephaestus_stream.settings import load_settings  # noqa: PLC0415

    given = {"bootstrap": bootstrap, "namespace": namespace}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    cipher = settings.cipher(holder=_HOLDER) if keys is None else Cipher(keys, holder=_HOLDER)
    return Reach(settings.connection, cipher, via or settings.via)
