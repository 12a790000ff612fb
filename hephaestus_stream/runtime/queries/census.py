"""All workers and partitions: each worker tells of its own, and of those that do not answer it is said so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hephaestus_stream.runtime.queries.directory import Directory, Member
from hephaestus_stream.runtime.queries.peer import Peers
from hephaestus_stream.wire.cluster import ClusterView, PartitionView, WorkerView


class Census:
    """Asks all workers.

    Args:
        namespace: That of the group.
        directory: Who owns what.
        peers: The other workers.
        own: Tells of this one.
        partitions: How many there are.
    """

    def __init__(
        self,
        namespace: str,
        directory: Directory,
        peers: Peers,
        own: Callable[[], WorkerView],
        *,
        partitions: int,
    ) -> None:
        self._namespace = namespace
        self._directory = directory
        self._peers = peers
        self._own = own
        self._partitions = range(partitions)

    async def take(self) -> ClusterView:
        """All workers of the last assignment, and all partitions."""
        owners = self._directory.owners()
        workers = await asyncio.gather(*(self._worker(member, owners) for member in self._directory.members()))
        told = {each.partition: each for worker in workers for each in worker.partitions}
        nobody = "no worker owns it"
        return ClusterView(
            namespace=self._namespace,
            workers=tuple(sorted(workers, key=lambda worker: worker.id)),
            partitions=tuple(
                told.get(number) or PartitionView(partition=number, owner=None, state="unknown", message=nobody)
                for number in self._partitions
            ),
        )

    async def _worker(self, member: Member, owners: dict[int, Member]) -> WorkerView:
        if member.id == self._directory.own.id:
            return self._own()
        owned = [partition for partition, owner in owners.items() if owner.id == member.id]
        answer = await self._peers.ask(member, "/cluster/worker", WorkerView, partitions=owned, parameters={})
        if isinstance(answer, WorkerView):
            return answer
        message = answer[0].message if answer else "it does not answer"
        return WorkerView(
            id=member.id,
            url=member.url,
            answers=False,
            partitions=tuple(
                PartitionView(partition=each, owner=member.id, state="unknown", message=message)
                for each in sorted(owned)
            ),
        )
