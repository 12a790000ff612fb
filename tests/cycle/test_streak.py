"""Instances on which the engine fails one after the other, whatever stands in their records."""

from __future__ import annotations

import pytest

from hephaestus_stream.cycle.cycle import reject
from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.cycle.streak import Streak
from hephaestus_stream.errors import EngineBrokenError
from hephaestus_stream.wire.command import ResumeCommand
from tests.cycle.partition import Partition


def failed_on(partition: Partition, record: CommandRecord, *, before: tuple[str, ...] = ()) -> tuple[str, ...]:
    bug = ZeroDivisionError("a bug")
    batch = reject(
        partition.shard, partition.store, partition.runner, record, error=bug, now=partition.now, failed=before
    )
    return tuple(batch.failed)


def test_an_instance_is_named_by_its_command_and_not_by_the_key_of_the_record() -> None:
    partition = Partition()
    command = partition.record(ResumeCommand(id="1", workflow="Order", key="order::a", event="paid")).value
    failed = failed_on(partition, partition.record(command, key=b"another"), before=("order::a",))

    assert failed == ("order::a",)


def test_a_key_is_kept_in_short() -> None:
    partition = Partition()
    failed = failed_on(partition, partition.record(b"no command", key=b"k" * 600_000))
    assert all(len(key) <= 200 for key in failed)

    streak = Streak(())
    streak.failed("k" * 600_000)
    streak.failed("l" * 600_000)
    assert [len(key) for key in streak.keys] == [200, 200]
    with pytest.raises(EngineBrokenError) as told:
        streak.failed("m" * 600_000)
    assert len(str(told.value)) < 2_000
