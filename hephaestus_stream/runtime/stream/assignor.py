"""Which worker owns which partition: Faust's assignor, made even.

Faust's fills workers up to an equal share, rounded up, as long as there are standbys: of twelve partitions five workers
would own 3, 3, 3, 3 and none, and who starts one more would get nothing for it.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor


class EvenAssignor(PartitionAssignor):
    """No worker owns two partitions more than another; what is even already stays as it is."""

    def _global_table_standby_assignments(
        self, assignments: MutableMapping[str, ClientAssignment], partitions_by_topic: Mapping[str, int]
    ) -> MutableMapping[str, ClientAssignment]:
        """Even out each topic: Faust calls this with all that it has placed, before it tells the workers."""
        for topic in partitions_by_topic:
            even_out(assignments, topic)
        placed: MutableMapping[str, ClientAssignment] = super()._global_table_standby_assignments(
            assignments, partitions_by_topic
        )
        return placed


def even_out(assignments: Mapping[str, ClientAssignment], topic: str) -> None:
    """Move partitions from those who own most to those who own least, and rather one of which these have a copy."""
    members = sorted(assignments)  # the same on every leader
    while members:
        most = max(members, key=lambda member: len(_owned(assignments[member], topic)))
        least = min(members, key=lambda member: len(_owned(assignments[member], topic)))
        giver, taker = assignments[most], assignments[least]
        if len(_owned(giver, topic)) - len(_owned(taker, topic)) < 2:  # noqa: PLR2004 - as even as it can be
            return
        copies = taker.standbys.setdefault(topic, [])
        partition = next((each for each in _owned(giver, topic) if each in copies), _owned(giver, topic)[-1])
        _owned(giver, topic).remove(partition)
        _owned(taker, topic).append(partition)
        if partition in copies:
            # The former owner has the better copy now.
            copies.remove(partition)
            giver.standbys.setdefault(topic, []).append(partition)


def _owned(assignment: ClientAssignment, topic: str) -> list[int]:
    owned: list[int] = assignment.actives.setdefault(topic, [])
    return owned
