"""What one may ask for: which instances, in which order, counted by what."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hephaestus_stream.core.state import Status
from hephaestus_stream.wire.command import Name, Version

Order = Literal["newest", "oldest"]
CountBy = Literal["workflow", "status", "node"]

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 500


class InstanceFilter(BaseModel):
    """Which instances are meant: those that fit everything that is given.

    Attributes:
        status: Any of these.
        tag: All of these.
        waiting_at: A node that the instance is suspended at.
        started_from: The first moment that counts; `..._to` is the first that counts no more.
        paused: Whether it was paused by command.
        halted: Whether it stands still after a bug of the engine.
        id_prefix: How the business value begins, as `abc` of `orderid::abc123`; with a `::` in it, how the key begins.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow: Name | None = None
    version: Version | None = None
    status: Annotated[tuple[Status, ...], Field(max_length=6)] = ()
    tag: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    waiting_at: Name | None = None
    started_from: AwareDatetime | None = None
    started_to: AwareDatetime | None = None
    updated_from: AwareDatetime | None = None
    updated_to: AwareDatetime | None = None
    paused: bool | None = None
    halted: bool | None = None
    id_prefix: Annotated[str, Field(max_length=1000)] | None = None


class InstanceQuery(InstanceFilter):
    """A page of the instances that fit, by the time of their start.

    Attributes:
        cursor: That of the page before.
        limit: How many at most.
    """

    order: Order = "newest"
    cursor: Annotated[str, Field(max_length=2000)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
