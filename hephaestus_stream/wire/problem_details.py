"""What every error is over HTTP: problem details (RFC 9457)."""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import BaseModel, ValidationError

from hephaestus_stream.wire.instance import Unavailable
from hephaestus_stream.wire.output import Reply

_TYPE: Final = "urn:hephaestus:problem:"


class ProblemDetails(BaseModel):
    """Problem details; what others answer may have none of it.

    Attributes:
        type: Which kind of problem it is, as a URN that does not change.
        title: The kind in words.
        status: The status of the answer.
        detail: What is wrong here, and the way out.
        reason: The engine's word for it, where it has one; those of docs/wire.md.
        unavailable: The partitions that cannot be asked.
        reply: The engine's answer to a command that it refused.
        errors: What is wrong with which part of a request.
    """

    type: str = ""
    title: str = ""
    status: int = 0
    detail: str = ""
    reason: str | None = None
    unavailable: tuple[Unavailable, ...] = ()
    reply: Reply | None = None
    errors: tuple[dict[str, Any], ...] = ()

    @property
    def kind(self) -> str:
        """The last word of the type, as `not-found`."""
        return self.type.removeprefix(_TYPE)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Those in an answer; without any word where it has none, as that of a proxy."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            return cls()


def type_of(kind: str) -> str:
    """The type of a kind."""
    return _TYPE + kind
