from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import cast

import pytest
from aiokafka import partitioner  # type: ignore[import-untyped]  # aiokafka ships no types
from confluent_kafka import KafkaError, Message, Producer
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.wire.partition import murmur2, partition_for

java_digest = cast("Callable[[bytes], int]", partitioner.murmur2)  # pyright: ignore[reportUnknownMemberType]


# From Kafka's own UtilsTest.testMurmur2, where the numbers are signed.
@pytest.mark.parametrize(
    ("key", "digest"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_a_key_has_the_digest_that_java_gives_it(key: bytes, digest: int) -> None:
    assert murmur2(key) == digest % 2**32


@given(st.binary(max_size=300))
def test_any_key_has_the_digest_that_aiokafka_gives_it(key: bytes) -> None:
    assert murmur2(key) == java_digest(key)


def test_librdkafka_puts_keys_where_we_say() -> None:
    # librdkafka's own mock cluster: the partitioner is the producer's, so no broker has a say in it.
    producer = Producer({"test.mock.num.brokers": 1, "partitioner": "murmur2_random", "log_level": 0})
    partitions = len(producer.list_topics("commands", timeout=30).topics["commands"].partitions)
    found: dict[bytes, int | None] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None
        key = message.key()
        assert isinstance(key, bytes)
        found[key] = message.partition()

    keys = [f"orderid::{'é' * (number % 5)}{number}".encode() for number in range(500)]
    for key in keys:
        producer.produce("commands", b"", key, on_delivery=delivered)
    assert producer.flush(30) == 0

    assert partitions > 1
    assert found == {key: partition_for(key, partitions) for key in keys}


def test_a_negative_digest_loses_its_sign_as_in_java() -> None:
    assert partition_for(b"21", 12) == (-973932308 & 0x7FFFFFFF) % 12


@given(st.binary(max_size=50), st.integers(min_value=1, max_value=100_000))
def test_a_partition_is_one_of_the_topic(key: bytes, partitions: int) -> None:
    assert 0 <= partition_for(key, partitions) < partitions


def test_a_topic_without_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        partition_for(b"a", 0)


def test_the_wire_needs_neither_a_stream_processor_nor_a_kafka_client() -> None:
    program = """
import sys
from hephaestus_stream.wire import command, dead_letter, headers, key, output, output_bytes, partition, schema
print({name.split(".")[0] for name in sys.modules} & {"faust", "mode", "aiokafka", "confluent_kafka", "rocksdict"})
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
