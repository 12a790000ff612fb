"""Which partition a key belongs to: the same answer as Java's default partitioner, so any language may publish.

murmur2 is written out here because `aiokafka.partitioner` brings aiokafka's whole client with it (about 90 ms and 200
modules), which a program that only publishes commands must not pay for. The tests hold it against aiokafka's.
"""

from __future__ import annotations

from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a record with this key in a topic of that many partitions.

    Raises:
        ValueError: The topic has no partition.
    """
    if partitions < 1:
        raise ValueError(f"a topic has at least one partition, not {partitions}")
    return (murmur2(key) & _POSITIVE) % partitions


def murmur2(content: bytes) -> int:
    """The 32-bit MurmurHash2 of Kafka's Java client, as an unsigned number."""
    length = len(content)
    whole = length & ~3
    digest = _SEED ^ length
    for start in range(0, whole, 4):
        word = int.from_bytes(content[start : start + 4], "little") * _MIX & _WORD
        word = (word ^ (word >> 24)) * _MIX & _WORD
        digest = (digest * _MIX & _WORD) ^ word
    if whole < length:
        digest = (digest ^ int.from_bytes(content[whole:], "little")) * _MIX & _WORD
    digest = (digest ^ (digest >> 13)) * _MIX & _WORD
    return digest ^ (digest >> 15)
