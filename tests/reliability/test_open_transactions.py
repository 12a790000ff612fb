"""What an owner leaves behind that stops in the midst of a transaction: its records are with the broker, undecided."""

from __future__ import annotations

import re
import signal
import time
from typing import Final

import pytest
from confluent_kafka import Consumer, TopicPartition

from hephaestus_stream.runtime.transaction import TRANSACTION_TIMEOUT
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import start_command
from hephaestus_stream.wire.topics import Topics as Names
from tests.chaos.failpoints import FailPoint
from tests.integration.checker import Topics
from tests.integration.flows import Journey, Trip
from tests.integration.load import check_load, make_load
from tests.integration.workers import PARTITIONS, Publisher, Workers

FREEZES: Final = {"CHAOS_FREEZE_POINT": FailPoint.BEFORE_COMMIT, "CHAOS_FAIL_AFTER": "6"}
ANSWERS_WITHIN_SECONDS: Final = 20.0


def ends(connection: Connection, isolation: str) -> list[int]:
    """How far each partition of `state` can be read."""
    reader = Consumer(connection.librdkafka(group_id=f"{connection.namespace}.ends", isolation_level=isolation))
    try:
        partitions = [TopicPartition(Names(connection.namespace).state, number) for number in range(PARTITIONS)]
        return [reader.get_watermark_offsets(partition, ANSWERS_WITHIN_SECONDS)[1] for partition in partitions]
    finally:
        reader.close()


def is_undecided(connection: Connection) -> bool:
    """Whether a transaction is open, behind which readers wait."""
    return ends(connection, "read_committed") != ends(connection, "read_uncommitted")


def test_an_owner_that_froze_within_a_transaction_holds_nobody_up_and_is_fenced_when_it_comes_back(
    workers: Workers, publisher: Publisher, topics: Topics, connection: Connection
) -> None:
    load = make_load(21, journeys=60, waves=2)
    frozen = workers.started("frozen", **FREEZES)
    load.send_wave(0, publisher)
    workers.until(lambda: f"frozen {FailPoint.BEFORE_COMMIT}" in frozen.told())
    assert is_undecided(connection)

    heir = workers.started("heir")
    # Whoever opens a partition ends what the former owner has begun; no reader waits for the transaction's timeout.
    workers.until(lambda: not is_undecided(connection), of=[heir])
    load.send_wave(1, publisher)
    frozen.signal(signal.SIGCONT)

    assert frozen.ended() != 0
    assert re.search("another worker owns partition|worker must exit", frozen.told())
    check_load(load, topics, publisher, workers)
    assert heir.stop() == 0


def test_an_open_transaction_of_one_shard_holds_up_no_answer_of_another(
    workers: Workers, publisher: Publisher, topics: Topics, connection: Connection
) -> None:
    # It stays a member of the group while it is frozen, so that nobody ends its transaction.
    frozen = workers.started("frozen", **FREEZES, HEPHAESTUS_SESSION_TIMEOUT="60")
    other = workers.start("other", HEPHAESTUS_SESSION_TIMEOUT="60")
    workers.until(lambda: len(frozen.partitions) == len(other.partitions) == PARTITIONS // 2, of=[frozen, other])
    starts = [start_command(Journey, f"trip-{number}", Trip()) for number in range(60)]
    of_other = [each for each in starts if partition_for(each.key.encode(), PARTITIONS) in other.partitions]

    publisher.send(start for start in starts if start not in of_other)
    workers.until(lambda: f"frozen {FailPoint.BEFORE_COMMIT}" in frozen.told())
    publisher.send(of_other)

    # All answers go into one partition, and are read as committed.
    wanted = {start.id for start in of_other}
    workers.until(lambda: {document["id"] for document in topics.documents("replies")} >= wanted, of=[other])
    assert is_undecided(connection)
    frozen.signal(signal.SIGCONT)
    workers.until(lambda: not is_undecided(connection), of=[frozen, other])


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_transaction_that_nobody_takes_over_is_ended_by_the_broker(
    workers: Workers, publisher: Publisher, topics: Topics, connection: Connection
) -> None:
    load = make_load(22, journeys=60, waves=2)
    lost = workers.started("lost", CHAOS_FAIL_POINT=FailPoint.BEFORE_COMMIT, CHAOS_FAIL_AFTER="6")
    load.send_wave(0, publisher)
    assert lost.ended() == -signal.SIGKILL
    assert is_undecided(connection)

    # The transaction's own timeout, and the coordinator's rounds.
    deadline = time.monotonic() + TRANSACTION_TIMEOUT.total_seconds() + 60
    while is_undecided(connection):
        assert time.monotonic() < deadline
        time.sleep(1)
    heir = workers.started("heir")
    load.send_wave(1, publisher)

    check_load(load, topics, publisher, workers)
    assert heir.stop() == 0
