"""What a worker shows to the outside, from before it begins until after it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from uuid_utils import uuid4

from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.errors import WorkerNotReadyError
from hephaestus_stream.runtime.health import HealthReport
from hephaestus_stream.runtime.queries.directory import Member
from hephaestus_stream.runtime.queries.reads import InstanceReads
from hephaestus_stream.wire.cluster import ClusterView, WorkerView


@dataclass(frozen=True, slots=True)
class Inside:
    """What there is to show once the worker works.

    Attributes:
        reads: Answers for all partitions.
        owned: Answers for those that the worker owns.
        catalog: Its workflows.
        worker: The worker and its partitions.
        cluster: All workers.
    """

    reads: InstanceReads
    owned: InstanceReads
    catalog: Catalog
    worker: Callable[[], WorkerView]
    cluster: Callable[[], Awaitable[ClusterView]]


class WorkerFacade:
    """Made before the worker, since whoever serves it must know where before the worker joins its group.

    Attributes:
        health: How the worker is.
        id: The worker's own, for as long as it lives.
        url: Where it serves HTTP, as others reach it; None where it does not.
    """

    def __init__(self) -> None:
        self.health: Final = HealthReport()
        self.id: Final = str(uuid4())
        self.url: str | None = None
        self._inside: Inside | None = None

    @property
    def member(self) -> Member:
        """The worker, as the group knows it."""
        return Member(self.id, self.url)

    @property
    def inside(self) -> Inside:
        """What there is to show.

        Raises:
            WorkerNotReadyError: The worker has not begun, or ends.
        """
        if self._inside is None:
            raise WorkerNotReadyError("the worker begins or ends, and knows of no partition: ask again, or another one")
        return self._inside

    def attach(self, inside: Inside) -> None:
        """The worker has begun."""
        self._inside = inside

    def detach(self) -> None:
        """The worker ends."""
        self._inside = None
