"""What a step may know of the run that it works for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Instance:
    """The identity of a run: nothing in it changes while the run lives, so no timing changes what a step sees.

    Attributes:
        key: The full business key, as `orderid::abc123`.
        run: The id of the command that started this life of the key.
        workflow: The workflow's stored name.
        version: The version that this run keeps.
        tags: The workflow's tags and those of the start command.
        metadata: The workflow's metadata, overridden by that of the start command.
        started_at: When the start was recorded, in UTC.
    """

    key: str
    run: str
    workflow: str
    version: int
    tags: tuple[str, ...]
    metadata: Mapping[str, object]
    started_at: datetime

    @property
    def id(self) -> str:
        """The business value alone, as `abc123`."""
        return self.key.partition("::")[2]
