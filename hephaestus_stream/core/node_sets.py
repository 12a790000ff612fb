"""Sets of nodes, kept as numbers: in a chain of a thousand nodes each has up to a thousand ancestors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress


class NodeSets(Mapping[str, frozenset[str]]):
    """A set of nodes for each node. Bit `i` of a number stands for the `i`th name; a set is built when it is read.

    Args:
        names: The names that the bits stand for.
        bits: For each node the set that belongs to it.
    """

    def __init__(self, names: Sequence[str], bits: Mapping[str, int]) -> None:
        self._names = names
        self._bits = bits

    def __getitem__(self, node: str) -> frozenset[str]:
        return members(self._names, self._bits[node])

    def __iter__(self) -> Iterator[str]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)


def members(names: Sequence[str], bits: int) -> frozenset[str]:
    """The names that the bits of a number stand for."""
    return frozenset(compress(names, (bit == "1" for bit in reversed(f"{bits:b}"))))


def lowest(bits: int) -> int:
    """The index of the lowest bit that is set; -1 where none is."""
    return (bits & -bits).bit_length() - 1
