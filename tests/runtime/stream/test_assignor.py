from __future__ import annotations

from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.copartitioned_assignor import CopartitionedAssignor
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.runtime.stream.assignor import even_out

TOPIC = "commands"
OTHER = "of another table"


class Group:
    """Workers that come and go, and what the assignors make of it each time."""

    def __init__(self, partitions: int, standbys: int) -> None:
        self.partitions = partitions
        self.standbys = standbys
        self.members: dict[str, ClientAssignment] = {}

    def rebalance(self, members: set[str]) -> None:
        self.members = {each: self.members.get(each, ClientAssignment(actives={}, standbys={})) for each in members}
        copartitioned = {name: each.copartitioned_assignment({TOPIC}) for name, each in self.members.items()}
        faust = CopartitionedAssignor({TOPIC}, copartitioned, self.partitions, self.standbys)
        self.members = {name: ClientAssignment(actives={}, standbys={}) for name in members}
        for name, placed in faust.get_assignment().items():
            self.members[name].add_copartitioned_assignment(placed)
        even_out(self.members, TOPIC)

    def owned(self) -> dict[str, set[int]]:
        return {name: set(each.actives.get(TOPIC, ())) for name, each in self.members.items()}

    def copies(self) -> dict[str, set[int]]:
        return {name: set(each.standbys.get(TOPIC, ())) for name, each in self.members.items()}


@given(
    partitions=st.integers(1, 24),
    standbys=st.integers(0, 2),
    populations=st.lists(st.sets(st.sampled_from("abcdefg"), min_size=1), min_size=1, max_size=6),
)
def test_whoever_joins_or_leaves_no_worker_owns_two_partitions_more_than_another(
    partitions: int, standbys: int, populations: list[set[str]]
) -> None:
    group = Group(partitions, standbys)
    for members in populations:
        group.rebalance(members)

        owned, copies = group.owned(), group.copies()
        numbers = [len(each) for each in owned.values()]
        assert max(numbers) - min(numbers) <= 1
        assert sorted(partition for each in owned.values() for partition in each) == list(range(partitions))
        assert all(not owned[name] & copies[name] for name in members)
        kept = sorted(partition for each in copies.values() for partition in each)
        assert kept == sorted([*range(partitions)] * min(standbys, len(members) - 1))
        if standbys:
            # Nobody came or went: nothing moves. (Without standbys Faust itself takes from those that own most.)
            group.rebalance(members)
            assert group.owned() == owned


def test_a_worker_that_joins_gets_its_share() -> None:
    group = Group(12, 1)
    group.rebalance({"a", "b", "c", "d"})
    before = group.owned()

    group.rebalance({"a", "b", "c", "d", "e"})

    assert len(group.owned()["e"]) == 2
    assert sum(len(before[name] - group.owned()[name]) for name in before) == 2


def test_what_belongs_to_another_topic_is_left_alone() -> None:
    members = {name: ClientAssignment(actives={OTHER: [0, 1, 2]}, standbys={}) for name in "ab"}
    members["a"].actives[TOPIC] = [0, 1]

    even_out(members, TOPIC)

    assert [members[name].actives[TOPIC] for name in "ab"] == [[0], [1]]
    assert all(each.actives[OTHER] == [0, 1, 2] for each in members.values())
