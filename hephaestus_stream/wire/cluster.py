"""The workers of a namespace and their partitions, as the workers tell of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

PartitionState = Literal["open", "opening", "closed", "unknown"]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PartitionView(_Told):
    """A partition, as its owner tells of it.

    Attributes:
        owner: The id of the worker that owns it; None where nobody does.
        state: `unknown` where its owner does not answer.
        position: The next offset of `commands` that it applies.
        lag: How many commands are before it, of those that its worker knows of.
        replayed: How many records of `state` an opening has read, and `replay_end` how many there are.
        message: Why it does no work.
    """

    partition: int
    owner: str | None
    state: PartitionState
    position: int | None = None
    lag: int | None = None
    replayed: int | None = None
    replay_end: int | None = None
    message: str | None = None


class WorkerView(_Told):
    """A worker.

    Attributes:
        id: Its own for as long as it lives.
        url: Where it serves HTTP; None where it does not.
        answers: Whether it has answered.
        partitions: Those that it owns, by number.
        standbys: Those that it keeps a copy of.
    """

    id: str
    url: str | None
    answers: bool
    partitions: tuple[PartitionView, ...] = ()
    standbys: tuple[int, ...] = ()


class ClusterView(_Told):
    """All workers of the group, and all partitions."""

    namespace: str
    workers: tuple[WorkerView, ...]
    partitions: tuple[PartitionView, ...]
