"""What an owner leaves behind that stops in the midst of a transaction: its records are with the broker, undecided."""

from __future__ import annotations

import re
import signal
from typing import Final

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics as Names
from tests.chaos.failpoints import FailPoint
from tests.integration.checker import Topics
from tests.integration.load import check_load, make_load
from tests.integration.workers import PARTITIONS, Publisher, Workers

FREEZES: Final = {"CHAOS_FREEZE_POINT": FailPoint.BEFORE_COMMIT, "CHAOS_FAIL_AFTER": "6"}
ANSWERS_WITHIN_SECONDS: Final = 20.0


def undecided(connection: Connection) -> set[int]:
    """The partitions of `state` whose readers are held up by a transaction that is open."""
    admin = AdminClient(connection.librdkafka())
    partitions = [TopicPartition(Names(connection.namespace).state, partition) for partition in range(PARTITIONS)]

    def ends(level: IsolationLevel) -> dict[int, int]:
        asked = dict.fromkeys(partitions, OffsetSpec.latest())
        futures = admin.list_offsets(asked, isolation_level=level, request_timeout=ANSWERS_WITHIN_SECONDS)
        return {place.partition: future.result(ANSWERS_WITHIN_SECONDS).offset for place, future in futures.items()}

    stable, all_ends = ends(IsolationLevel.READ_COMMITTED), ends(IsolationLevel.READ_UNCOMMITTED)
    return {partition for partition in all_ends if stable[partition] < all_ends[partition]}


def test_an_owner_that_froze_within_a_transaction_holds_nobody_up_and_is_fenced_when_it_comes_back(
    workers: Workers, publisher: Publisher, topics: Topics, connection: Connection
) -> None:
    load = make_load(21, journeys=60, waves=2)
    frozen = workers.started("frozen", **FREEZES)
    load.send_wave(0, publisher)
    workers.until(lambda: f"frozen {FailPoint.BEFORE_COMMIT}" in frozen.told())
    assert undecided(connection)

    heir = workers.started("heir")
    # Whoever opens a partition ends what the former owner has begun; no reader waits for the transaction's timeout.
    workers.until(lambda: not undecided(connection), of=[heir])
    load.send_wave(1, publisher)
    frozen.signal(signal.SIGCONT)

    assert frozen.ended() != 0
    assert re.search("another worker owns partition|worker must exit", frozen.told())
    check_load(load, topics, publisher, workers)
    assert heir.stop() == 0
