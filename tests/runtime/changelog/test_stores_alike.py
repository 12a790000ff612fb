"""The store in memory and the one on disk: a shard cannot tell them apart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.wire.request import cancel_command, start_command
from tests.cycle.flows import Order, Retried, Review, Threaded
from tests.cycle.partition import Partition
from tests.runtime.changelog.on_disk import OnDisk

pytestmark = pytest.mark.parity(22)

# Of no table, whose records would have to be sound.
KEYS = st.text("a\x01\xff", min_size=1, max_size=2).map(lambda text: b"z" + text.encode("latin-1"))
TWO: dict[bytes, bytes | None] = {b"za": b"1", b"zb": b"2"}


async def play(store: MemoryStore) -> list[list[bytes]]:
    """Retries, timers, a cancel and what expires in the end; all that is in the tables after each of them."""
    partition = Partition()
    partition.store = store
    tables: list[list[bytes]] = []

    def look() -> None:
        tables.append([key + (value if key[:1] in b"kh" else b"") for key, value in store.scan(b"", limit=1_000)])

    await partition.send(
        start_command(Retried, "a", Order(), command_id="run-a"),
        start_command(Review, "b", Order(), command_id="run-b"),
        start_command(Threaded, "c", Order(), command_id="run-c"),
    )
    look()
    for time in (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=30)):
        await partition.skip(time)
        look()
    await partition.send(
        cancel_command(Review, "b", command_id="cancel-b"), cancel_command(Threaded, "c", command_id="cancel-c")
    )
    look()
    for _ in range(2):
        partition.now += timedelta(days=20)
        await partition.cycle()
        look()
    return tables


async def test_the_same_engine_leaves_the_same_tables_in_memory_and_on_disk(tmp_path: Path) -> None:
    disk = OnDisk(tmp_path)
    try:
        on_disk = await play(disk)
    finally:
        disk.store.close()

    in_memory = await play(MemoryStore())

    assert on_disk == in_memory
    assert {table[:1] for tables in in_memory for table in tables} >= {b"k", b"i", b"h", b"t", b"c", b"a", b"x"}
    assert in_memory[-1] == []


@settings(deadline=None, max_examples=25)
@given(
    batches=st.lists(st.dictionaries(KEYS, st.none() | st.binary(max_size=2), max_size=4), max_size=4),
    asked=st.tuples(KEYS, st.none() | KEYS, st.none() | KEYS, st.integers(1, 5)),
)
@example([TWO], (b"z", None, b"zb", 5))  # the end counts no more
@example([TWO], (b"zb", b"za", None, 5))  # the start is before the prefix
@example([TWO], (b"z", b"zb", None, 5))  # the start counts
@example([TWO], (b"z", None, None, 1))
@example([TWO, {b"za": None}], (b"z", None, None, 5))
def test_whatever_was_written_both_answer_alike(
    batches: list[dict[bytes, bytes | None]], asked: tuple[bytes, bytes | None, bytes | None, int]
) -> None:
    prefix, start, end, limit = asked
    with TemporaryDirectory() as folder:
        memory, disk = MemoryStore(), OnDisk(Path(folder))
        try:
            for changes in batches:
                memory.write(changes)
                disk.write(changes)
            for each in (b"", b"z", prefix):
                for backwards in (False, True):
                    found = memory.scan(each, start=start, end=end, limit=limit, reverse=backwards)
                    assert disk.scan(each, start=start, end=end, limit=limit, reverse=backwards) == found
            assert disk.get(prefix) == memory.get(prefix)
        finally:
            disk.store.close()
