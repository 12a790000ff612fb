from __future__ import annotations

from hephaestus_stream.runtime.backlog import Backlog
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Chain, Order, Retried
from tests.cycle.partition import Partition


async def test_a_kind_of_which_many_wait_does_not_hold_up_another() -> None:
    partition = Partition()
    backlog = Backlog(partition.shard)
    for flow, count in ((Chain, 150), (Retried, 1)):
        sent = [partition.record(start_command(flow, f"{number}", Order())) for number in range(count)]
        backlog.add((await partition.cycle(*sent, fold=False)).to_start)

    taken = [[each.kind[0] for each in backlog.take(partition.store, has_room_for=lambda _: True)] for _ in range(4)]

    assert [len(kinds) for kinds in taken] == [64, 64, 23, 0]
    assert taken[1][0] == "Retried"
    assert len(backlog) == 0


async def test_a_kind_without_room_is_passed_over_and_keeps_its_turn() -> None:
    partition = Partition()
    backlog = Backlog(partition.shard)
    for flow in (Chain, Retried):
        backlog.add((await partition.cycle(partition.record(start_command(flow, "a", Order())), fold=False)).to_start)

    first = [each.kind[0] for each in backlog.take(partition.store, has_room_for=lambda kind: kind[0] == "Retried")]
    rest = [each.kind[0] for each in backlog.take(partition.store, has_room_for=lambda _: True)]

    assert (first, rest) == (["Retried"], ["Chain"])
