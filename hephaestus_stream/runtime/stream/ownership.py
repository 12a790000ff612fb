"""What the stream asks of those who own the partitions: the only seam between Faust and the shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import ShardClosedError


class Shards(Protocol):
    """The owner of every partition that this worker has; all methods are called on the event loop of the app.

    The order of calls is `assign`, then any number of the others, then `revoke`, then the next `assign`. An exception
    of any method ends `run` with that exception.
    """

    async def assign(self, partitions: frozenset[int], standbys: frozenset[int]) -> None:
        """Fence, replay and open these partitions; nothing is read before this returns.

        The set is complete: rebalances are eager, what is missing belongs to somebody else. `revoke` may be called
        while this still runs, and then it has to return soon.

        Args:
            partitions: What this worker owns.
            standbys: Partitions of others that it keeps a copy of.
        """
        ...

    def position(self, partition: int) -> int | None:
        """The next offset of `commands` to read; None when the partition is closed and must not be read.

        It is asked once after `assign` to know where to start, and then from time to time for the advisory offset of
        the group; so it keeps its answer after `revoke` for the last of these.
        """
        ...

    def accepts(self, partition: int) -> bool:
        """Whether the mailbox has room; while it has none this partition is not read, and the others go on."""
        ...

    def deliver(self, partition: int, records: Sequence[CommandRecord]) -> None:
        """Take over records in the order of their offsets, without blocking; never empty."""
        ...

    def reached(self, partition: int, *, up_to: int, end: int) -> None:
        """Learn that every record below `up_to` was delivered, and that the log ended at `end` just then.

        Kafka's markers of transactions take offsets and are never delivered, so `up_to` is the only way to know that
        the end was reached. It is called after `deliver`, and only when one of the two numbers changed.
        """
        ...

    def close(self, partition: int, error: ShardClosedError) -> None:
        """Close one partition for this reason, without blocking; it is read again when it was assigned anew."""
        ...

    async def revoke(self) -> None:
        """Give all partitions back: stop taking inputs, commit, close, in bounded time.

        The group waits for this, and nobody else reads the partitions before it returned. It is called after a failed
        `assign` too, and while `assign` still runs; with an assignment of no partitions as with any other.
        """
        ...
